from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from aura_server.problems import ProblemMiddleware, routing_problem
from aura_server.static_files import MEDIA_TYPES, Pages
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import Mount

pytestmark = pytest.mark.anyio


@pytest.fixture
async def client(anyio_backend: str, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    for name, text in {
        "ui/app/index.html": "<title>app</title>",
        "ui/app/main.js": "export {}",
        "ui/app/.hidden.js": "hidden",
        "ui/app/README.md": "notes",
        "ui/admin/index.html": "<title>admin</title>",
        "secret.html": "secret",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "ui" / "app" / "link.html").symlink_to(tmp_path / "secret.html")
    app = Starlette(
        routes=[Mount("/", Pages(tmp_path / "ui"))],
        middleware=[Middleware(ProblemMiddleware)],
        exception_handlers={HTTPException: routing_problem},
    )
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as opened:
        yield opened


@pytest.mark.parametrize(("path", "title"), [("/", "app"), ("/app/", "app"), ("/admin/", "admin")])
async def test_folders_answer_with_their_page(client: httpx.AsyncClient, path: str, title: str) -> None:
    answer = await client.get(path)
    assert f"<title>{title}</title>" in answer.text
    assert answer.headers["content-type"] == "text/html; charset=utf-8"


async def test_scripts_have_their_type_whatever_the_system_says(client: httpx.AsyncClient) -> None:
    assert (await client.get("/app/main.js")).headers["content-type"] == MEDIA_TYPES[".js"]


async def test_unchanged_files_are_not_sent_again(client: httpx.AsyncClient) -> None:
    first = await client.get("/app/main.js")
    again = await client.get("/app/main.js", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert first.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    "path",
    [
        "/nowhere",
        "/app/nothing.js",
        "/app",
        "/app/README.md",
        "/app/.hidden.js",
        "/..%2fsecret.html",
        "/app/%2e%2e/%2e%2e/secret.html",
        "/app/link.html",
        "/app/main.js%00.html",
        "//etc/passwd.html",
    ],
)
async def test_everything_else_is_not_found(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert answer.status_code == 404
    assert "secret" not in answer.text


async def test_other_methods_are_refused(client: httpx.AsyncClient) -> None:
    assert (await client.post("/app/main.js")).status_code == 405
