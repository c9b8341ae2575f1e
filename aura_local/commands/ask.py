"""`aura ask "..."`"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from aura_local.commands.options import HomeOption, JsonOption, ProfileOption, TenantOption
from aura_local.commands.output import citation_json, print_json, source_line
from aura_local.commands.panels import CONVERSING
from aura_local.commands.running import run_command

if TYPE_CHECKING:
    from aura_local.conversation.reply import Answer
    from aura_local.settings_sources import LoadedSettings


def register(application: typer.Typer) -> None:
    application.command("ask", rich_help_panel=CONVERSING)(ask)


def ask(
    question: Annotated[str, typer.Argument(help="What you want to know.")],
    tenant: TenantOption = None,
    session: Annotated[
        str | None, typer.Option("--session", help="Continue the conversation with this id.")
    ] = None,
    as_json: JsonOption = False,
    profile: ProfileOption = None,
    home: HomeOption = None,
) -> None:
    """Answer a typed question from a tenant's documents, with the places it rests on."""

    async def work(loaded: LoadedSettings) -> None:
        await _ask(loaded, question, tenant, session, as_json=as_json)

    run_command(work, home=home, profile=profile, as_json=as_json)


async def _ask(
    loaded: LoadedSettings, question: str, tenant_name: str | None, session_id: str | None, *, as_json: bool
) -> None:
    from aura_local.accounts.principal import operator
    from aura_local.commands.engines import wait_for_engines
    from aura_local.commands.opening import open_engine
    from aura_local.commands.tenants import find_tenant
    from aura_local.conversation.events import ReplyTextDelta
    from aura_local.errors import InvalidRequest

    limit_characters = loaded.values.limits.question_characters
    if not question.strip() or len(question) > limit_characters:
        raise InvalidRequest(f"A question has 1 to {limit_characters} characters.")
    async with open_engine(loaded) as engine:
        tenant = await find_tenant(engine.catalog, tenant_name)
        await wait_for_engines(engine, "embedder", "language_model")
        async with (
            engine.leases.lease(tenant.id) as handle,
            engine.answer(handle, question, asker=operator(tenant.id), session_id=session_id) as chat,
        ):
            async for event in chat.stream:
                if isinstance(event, ReplyTextDelta) and not as_json:
                    print(event.text, end="", flush=True)
            answer = chat.stream.answer
    if as_json:
        print_json(_as_json(answer, chat.session_id))
    else:
        print()
        for citation in answer.citations:
            print(f"  [{source_line(citation)}]")


def _as_json(answer: Answer, session_id: str) -> dict[str, object]:
    """The same fields as the answer of `/api/chat`."""
    return {
        "answer": answer.text,
        "answered": answer.answered,
        "citations": [citation_json(citation) for citation in answer.citations],
        "session_id": session_id,
        "timings": dict(answer.stages_ms),
        "work": answer.work,
    }
