"""A real server, storage and retrieval around scripted models; one per test module."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest
from aura_server.app import create_app
from starlette.applications import Starlette

from aura_local.accounts.api_keys import ApiKeys
from aura_local.engine import Engine
from aura_local.settings import LimitSettings
from tests.server.matrix_scene import Scene, open_scene
from tests.server.people import Platform, open_platform
from tests.server.serving import serving
from tests.support.engine import open_scripted_engine


@dataclass(frozen=True, slots=True)
class Product:
    """A running server with two tenants."""

    engine: Engine
    app: Starlette
    port: int
    client: httpx.AsyncClient
    """With the key of the first tenant."""
    other: httpx.AsyncClient
    """With the key of the second."""
    anonymous: httpx.AsyncClient


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """As in the root, with a scope that lets one server answer a whole module."""
    return "asyncio"


@pytest.fixture(scope="module")
async def product(anyio_backend: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Product]:
    folder = tmp_path_factory.mktemp("product")
    pages = folder / "ui"
    (pages / "app").mkdir(parents=True)
    (pages / "app" / "index.html").write_text("<!doctype html><title>front page</title>")
    # All clients here have one address, and many of them present what is refused.
    async with open_scripted_engine(
        folder,
        limits__failed_logins_per_minute=100_000,
        limits__anonymous_requests_per_minute=100_000,
    ) as engine:
        keys = [await key_of_new_tenant(engine, name) for name in ("Alder Abbey", "Birch Bakery")]
        app = create_app(engine, pages=pages)
        async with serving(app, LimitSettings()) as port:
            address = f"http://127.0.0.1:{port}"
            clients = [client_for(address, key) for key in (*keys, None)]
            try:
                yield Product(engine, app, port, *clients)
            finally:
                for client in clients:
                    await client.aclose()


@pytest.fixture(scope="module")
async def scene(anyio_backend: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    """For the matrices of routes and of sockets."""
    async with open_scene(tmp_path_factory.mktemp("matrix")) as scene:
        yield scene


@pytest.fixture(scope="module")
async def platform(anyio_backend: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Platform]:
    """A served platform without tenants or people."""
    async with open_platform(tmp_path_factory.mktemp("platform")) as platform:
        yield platform


async def key_of_new_tenant(engine: Engine, name: str) -> str:
    tenant = await engine.catalog.create_tenant(name)
    return (await ApiKeys(engine.catalog.database).issue(tenant.id, "tests")).key


def client_for(address: str, key: str | None) -> httpx.AsyncClient:
    headers = {} if key is None else {"authorization": f"Bearer {key}"}
    return httpx.AsyncClient(base_url=address, headers=headers, timeout=20, trust_env=False)


@pytest.fixture
def museum_page() -> bytes:
    return b"The museum opens at nine every day.\n\nThe cafe closes at five.\n"
