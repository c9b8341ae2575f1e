"""The pages: plain files of the interface, served to anyone. Layer 5.

They hold no key and no data. Only kinds of file that a page needs are served, with their types from a
table of our own: the system's table may say that a script is text, and browsers then refuse it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final

from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

MEDIA_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
    ".wav": "audio/wav",
    ".wasm": "application/wasm",
}
FRONT_PAGE: Final = "app/index.html"


@dataclass(frozen=True, slots=True)
class Pages:
    """An ASGI application over one folder. `/` is the app, `/<folder>/` that folder's index.html.

    Browsers ask again each time and are told "not modified" by ETag, so that an update is seen at once.
    """

    folder: Path
    _files: StaticFiles = field(init=False, repr=False)

    def __post_init__(self) -> None:
        # Starlette's own look-up resolves links and refuses what leaves the folder.
        object.__setattr__(self, "_files", StaticFiles(directory=self.folder))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 4404, "reason": "no such socket"})
            return
        path = self._files.get_path(scope)
        if scope["path"].endswith("/"):
            path = FRONT_PAGE if path in (".", "") else f"{path}/index.html"
        media_type = MEDIA_TYPES.get(PurePosixPath(path.replace("\\", "/")).suffix.lower())
        hidden = any(part.startswith(".") for part in PurePosixPath(path).parts)
        if media_type is None or hidden:
            # Starlette says 405 for other methods by itself.
            raise HTTPException(404 if scope["method"] in ("GET", "HEAD") else 405)
        response = await self._files.get_response(path, scope)
        if "content-type" in response.headers:
            response.headers["content-type"] = media_type
        response.headers["cache-control"] = "no-cache"
        await response(scope, receive, send)
