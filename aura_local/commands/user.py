"""`aura user setup|invite|list|role|suspend|resume|reset|remove`"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import typer

from aura_local.commands.options import HomeOption, JsonOption
from aura_local.commands.output import moment, print_json, print_table
from aura_local.commands.panels import ACCESS
from aura_local.commands.running import run_command

if TYPE_CHECKING:
    from aura_local.accounts.directory import User
    from aura_local.accounts.principal import Principal
    from aura_local.administration.people import People
    from aura_local.settings_sources import LoadedSettings

TenantOfUser: TypeAlias = Annotated[
    str | None, typer.Option("--tenant", help="Name of the tenant; left out: the people of the platform.")
]
EmailArgument: TypeAlias = Annotated[str, typer.Argument(help="The person's e-mail address.")]
RoleArgument: TypeAlias = Annotated[
    Literal["owner", "admin", "member", "viewer"],
    typer.Argument(help="owner: the platform; admin, member, viewer: of a tenant."),
]


def register(application: typer.Typer) -> None:
    group = typer.Typer(help="Invite and manage people.", no_args_is_help=True)
    group.command("setup")(setup)
    group.command("invite")(invite)
    group.command("list")(list_users)
    group.command("role")(role)
    group.command("suspend")(suspend)
    group.command("resume")(resume)
    group.command("reset")(reset)
    group.command("remove")(remove)
    application.add_typer(group, name="user", rich_help_panel=ACCESS)


def setup(as_json: JsonOption = False, home: HomeOption = None) -> None:
    """Print the link with which the first owner chooses a password; earlier ones stop working."""

    async def work(loaded: LoadedSettings) -> None:
        from aura_local.accounts.principal import operator
        from aura_local.commands.opening import open_home
        from aura_local.errors import Conflict

        async with open_home(loaded) as data:
            secret = await data.administration.people.setup_link(operator())
        if secret is None:
            raise Conflict(
                "The platform has an owner already; a password is reset with: aura user reset EMAIL"
            )
        _print_link(loaded, secret, None, as_json=as_json)

    run_command(work, home=home, as_json=as_json)


def invite(
    email: EmailArgument,
    role: RoleArgument,
    tenant: TenantOfUser = None,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Invite a person: prints a single-use link to hand over."""

    async def work(loaded: LoadedSettings, people: People, actor: Principal) -> None:
        invitation = await people.invite(actor, email, role)
        _print_link(loaded, invitation.secret, invitation.expires_at, as_json=as_json)

    _run(work, tenant, home=home, as_json=as_json)


def list_users(tenant: TenantOfUser = None, as_json: JsonOption = False, home: HomeOption = None) -> None:
    """List the people of a tenant, or of the platform."""

    async def work(_loaded: LoadedSettings, people: People, actor: Principal) -> None:
        users = await people.all(actor)
        if as_json:
            print_json({"users": [asdict(user) for user in users]})
        else:
            print_table(
                ("e-mail", "name", "role", "status", "last login", "id"),
                [(u.email, u.name, u.role, u.status, moment(u.last_login_at), u.id) for u in users],
            )

    _run(work, tenant, home=home, as_json=as_json)


def role(
    email: EmailArgument,
    role: RoleArgument,
    tenant: TenantOfUser = None,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Give a person another role; what they are doing ends within a second."""
    done = ("role", role)
    _change(email, tenant, home, as_json, done, lambda people, actor, id: people.set_role(actor, id, role))


def suspend(
    email: EmailArgument, tenant: TenantOfUser = None, as_json: JsonOption = False, home: HomeOption = None
) -> None:
    """Suspend a person: every credential of theirs stops working within a second."""
    done = ("status", "suspended")
    _change(email, tenant, home, as_json, done, lambda people, actor, id: people.suspend(actor, id))


def resume(
    email: EmailArgument, tenant: TenantOfUser = None, as_json: JsonOption = False, home: HomeOption = None
) -> None:
    """Let a suspended person in again."""
    done = ("status", "active")
    _change(email, tenant, home, as_json, done, lambda people, actor, id: people.resume(actor, id))


def reset(
    email: EmailArgument, tenant: TenantOfUser = None, as_json: JsonOption = False, home: HomeOption = None
) -> None:
    """Print a single-use link with which a person chooses a new password."""

    async def work(loaded: LoadedSettings, people: People, actor: Principal) -> None:
        invitation = await people.reset_password(actor, (await _find(people, actor, email)).id)
        _print_link(loaded, invitation.secret, invitation.expires_at, as_json=as_json)

    _run(work, tenant, home=home, as_json=as_json)


def remove(
    email: EmailArgument, tenant: TenantOfUser = None, as_json: JsonOption = False, home: HomeOption = None
) -> None:
    """Remove a person for good."""
    done = ("status", "removed")
    _change(email, tenant, home, as_json, done, lambda people, actor, id: people.remove(actor, id))


def _change(
    email: str,
    tenant_name: str | None,
    home: HomeOption,
    as_json: bool,
    done: tuple[str, str],
    act: Callable[[People, Principal, str], Awaitable[None]],
) -> None:
    """Carry out `act` on the person of this address; `done` is what is so then, and its new value."""

    async def work(_loaded: LoadedSettings, people: People, actor: Principal) -> None:
        await act(people, actor, (await _find(people, actor, email)).id)
        what, now = done
        if as_json:
            print_json({what: now})
        else:
            print(f"Done: {what} {now}.")

    _run(work, tenant_name, home=home, as_json=as_json)


def _run(
    work: Callable[[LoadedSettings, People, Principal], Awaitable[None]],
    tenant_name: str | None,
    *,
    home: HomeOption,
    as_json: bool,
) -> None:
    """Await `work` as whoever sits at the machine, for a tenant or for the platform."""

    async def with_people(loaded: LoadedSettings) -> None:
        from aura_local.accounts.principal import operator
        from aura_local.commands.opening import open_home
        from aura_local.commands.tenants import find_tenant

        async with open_home(loaded) as data:
            tenant_id = None
            if tenant_name is not None:
                tenant_id = (await find_tenant(data.catalog, tenant_name)).id
            await work(loaded, data.administration.people, operator(tenant_id))

    run_command(with_people, home=home, as_json=as_json)


async def _find(people: People, actor: Principal, email: str) -> User:
    from aura_local.errors import NotFound

    for user in await people.all(actor):
        if user.email == email.strip().lower():
            return user
    raise NotFound("There is nobody of that e-mail address here; `aura user list` shows those there are.")


def _print_link(loaded: LoadedSettings, secret: str, expires_at: str | None, *, as_json: bool) -> None:
    server = loaded.values.server
    scheme = "http" if server.tls_cert is None else "https"
    link = f"{scheme}://{server.host}:{server.port}/#link={secret}"
    if as_json:
        print_json({"link": link, "secret": secret, "expires_at": expires_at})
        return
    print(link)
    until = f" until {moment(expires_at)}" if expires_at else ""
    typer.echo(f"It works once{until}; hand it over by a way you trust.", err=True)
