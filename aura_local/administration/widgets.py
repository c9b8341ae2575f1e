"""Where visitors of a tenant may talk: sites with a widget, enrolled kiosks. Layer 3."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from aura_local.accounts.principal import Principal
from aura_local.audit.chain import entry

if TYPE_CHECKING:
    from aura_local.accounts.visitors import Visitors, Widget


class Widgets:
    """Acts of an actor on the widgets and kiosks of the actor's tenant."""

    def __init__(self, visitors: Visitors) -> None:
        self._visitors = visitors

    async def all(self, actor: Principal) -> list[Widget]:
        return await self._visitors.widgets(actor.tenant)

    async def add(
        self, actor: Principal, kind: Literal["widget", "kiosk"], label: str, origins: list[str]
    ) -> Widget:
        """Raises `InvalidRequest` for an origin that is none."""
        also = entry(actor.tenant, actor.subject, "widget.created", kind=kind)
        return await self._visitors.add_widget(actor.tenant, kind, label, origins, also=also)

    async def revoke(self, actor: Principal, widget_id: str) -> None:
        """Tokens issued for it stop working within a second, on open sockets too."""
        also = entry(actor.tenant, actor.subject, "widget.revoked")
        await self._visitors.revoke_widget(actor.tenant, widget_id, also=also)
