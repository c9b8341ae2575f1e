"""The people of one's own tenant; for the platform's owner, those of the platform. Layer 5."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from aura_server.json_body import RequestBody, read_json
from aura_server.operations import Operation, json_answer

if TYPE_CHECKING:
    from aura_local.accounts.links import Invitation
    from aura_local.accounts.principal import Principal
    from aura_local.engine import Engine

UserRoleName = Literal["owner", "admin", "member", "viewer"]


class InvitationRequest(RequestBody):
    """Whom to invite, and as what."""

    email: str = Field(min_length=3, max_length=254)
    role: UserRoleName


class UserChange(RequestBody):
    """What is to change; the rest stays."""

    role: UserRoleName | None = None
    status: Literal["active", "suspended"] | None = None


class Person(BaseModel):
    """One user."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    email: str
    name: str
    role: UserRoleName
    status: Literal["active", "suspended"]
    created_at: str
    last_login_at: str | None


class PersonList(BaseModel):
    """Users, by e-mail address."""

    users: list[Person]


class SingleUseLink(BaseModel):
    """Goes to the person by whatever way you trust; it is shown this once and works once."""

    secret: str
    path: str
    """Behind the server's address, e.g. `/#link=...`."""
    expires_at: str


def people_operations(engine: Engine) -> list[Operation]:
    """Everything under `/api/users`."""
    people = engine.administration.people

    async def list_all(_request: Request, principal: Principal) -> ASGIApp:
        users = [Person.model_validate(user) for user in await people.all(principal)]
        return json_answer(PersonList(users=users))

    async def look_at(request: Request, principal: Principal) -> ASGIApp:
        user = await people.one(principal, request.path_params["user_id"])
        return json_answer(Person.model_validate(user))

    async def invite(request: Request, principal: Principal) -> ASGIApp:
        asked = await read_json(request, InvitationRequest)
        return link_answer(await people.invite(principal, asked.email, asked.role))

    async def change(request: Request, principal: Principal) -> ASGIApp:
        user_id = request.path_params["user_id"]
        asked = await read_json(request, UserChange)
        if asked.role is not None:
            await people.set_role(principal, user_id, asked.role)
        if asked.status == "suspended":
            await people.suspend(principal, user_id)
        elif asked.status == "active":
            await people.resume(principal, user_id)
        return json_answer(Person.model_validate(await people.one(principal, user_id)))

    async def remove(request: Request, principal: Principal) -> ASGIApp:
        await people.remove(principal, request.path_params["user_id"])
        return Response(status_code=204)

    async def reset(request: Request, principal: Principal) -> ASGIApp:
        return link_answer(await people.reset_password(principal, request.path_params["user_id"]))

    one = "/api/users/{user_id}"
    return [
        Operation(
            "GET", "/api/users", "All users.", {200: PersonList}, for_principal=list_all, needs="users.manage"
        ),
        Operation(
            "POST",
            "/api/users",
            "Invite a person: answers with a single-use link.",
            {201: SingleUseLink},
            for_principal=invite,
            needs="users.manage",
            failures=(400, 409, 415),
            body=InvitationRequest,
        ),
        Operation(
            "GET",
            one,
            "One user.",
            {200: Person},
            for_principal=look_at,
            needs="users.manage",
            failures=(404,),
        ),
        Operation(
            "PATCH",
            one,
            "Change a role, suspend or resume; effective within a second, on open sockets too.",
            {200: Person},
            for_principal=change,
            needs="users.manage",
            failures=(400, 404, 409, 415),
            body=UserChange,
        ),
        Operation(
            "DELETE",
            one,
            "Remove a user.",
            {204: None},
            for_principal=remove,
            needs="users.manage",
            failures=(404, 409),
        ),
        Operation(
            "POST",
            f"{one}/password-reset",
            "A single-use link with which the user chooses a new password.",
            {201: SingleUseLink},
            for_principal=reset,
            needs="users.manage",
            failures=(404,),
        ),
    ]


def link_answer(invitation: Invitation) -> Response:
    """A link that has just been made, the only time that it is shown."""
    path = f"/#link={invitation.secret}"
    link = SingleUseLink(secret=invitation.secret, path=path, expires_at=invitation.expires_at)
    return json_answer(link, 201)
