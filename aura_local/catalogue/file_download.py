"""One file of a model, from the hub into a part file, whatever the connection does. Layer 2.

Beside the part lies what it is a part of, its tag included: a later attempt asks for the rest on condition
that the file has not changed (`If-Range`), and begins anew where it has.
"""

from __future__ import annotations

import json
import os
import random
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from aura_local.catalogue.hub_client import HubAnswer, HubClient
from aura_local.catalogue.sources import ModelFile
from aura_local.errors import DownloadFailed
from aura_local.storage.sqlite_errors import file_errors_translated

if TYPE_CHECKING:
    import httpx

UNKNOWN_LIMIT_BYTES: Final = 32 * 1024 * 1024
"""Most bytes of a file whose size nobody stated; such files are texts and tables."""
MOST_FRUITLESS: Final = 6
"""Attempts in a row that bring not one byte."""
MOST_ATTEMPTS: Final = 500
LONGEST_WAIT_S: Final = 60.0

_TRANSIENT: Final = frozenset({408, 425, 429, 500, 502, 503, 504})

Report: TypeAlias = Callable[[int], None]
"""Told how many bytes of the file are here, at every step; called on the downloading thread."""
Wait: TypeAlias = Callable[[float], None]
"""Seconds to wait; returns early when the download is stopped."""


class _Cut(Exception):
    """The attempt ended early. `wait_s` is what the server asked for."""

    def __init__(self, reason: str, wait_s: float | None = None) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


@dataclass(frozen=True, slots=True)
class FileDownload:
    """`run` leaves `part` whole by its size; whether it is the right file is for others to prove."""

    client: HubClient
    url: str
    file: ModelFile
    part: Path
    report: Report
    stopped: threading.Event
    wait: Wait

    def run(self) -> str | None:
        """The SHA-256 that the hub claims, where it does. Blocks.

        Raises `DownloadFailed`, `EgressDenied`, `StorageFull`, `StorageUnavailable`.
        """
        fruitless = 0
        with file_errors_translated(self.part):
            for _ in range(MOST_ATTEMPTS):
                before = self._arrived()
                try:
                    return self._attempt()
                except _Cut as cut:
                    fruitless = 0 if self._arrived() > before else fruitless + 1
                    reason = str(cut)
                    if self.stopped.is_set() or fruitless >= MOST_FRUITLESS:
                        break
                    # Jitter, so that files that were cut together do not come back together.
                    backoff_s = 0.5 * 2**fruitless * random.uniform(0.5, 1.5)  # noqa: S311
                    self.wait(min(LONGEST_WAIT_S, backoff_s if cut.wait_s is None else cut.wait_s))
        raise DownloadFailed(
            f"{self.file.name} could not be downloaded: {reason}; what has arrived is kept: do it again."
        )

    def _attempt(self) -> str | None:
        import httpx

        headers = self._resume_headers()
        try:
            with self.client.get(self.url, headers) as answer:
                self._take(answer)
                return answer.linked_digest
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise _Cut("no connection to the hub or its storage (is there a network?)") from error
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise _Cut(f"the connection broke ({type(error).__name__})") from error
        except httpx.InvalidURL as error:
            raise DownloadFailed("The hub redirects to what is no address.", retryable=False) from error

    def _resume_headers(self) -> dict[str, str]:
        """Asks for the rest, where what is here is known to be the beginning of the same file."""
        arrived = self._arrived()
        try:
            tag = json.loads(self._note.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            tag = None
        same = isinstance(tag, dict) and tag.get("url") == self.url and isinstance(tag.get("etag"), str)
        if not arrived or not same:
            self.part.unlink(missing_ok=True)
            return {}
        return {"Range": f"bytes={arrived}-", "If-Range": str(tag["etag"])}

    def _take(self, answer: HubAnswer) -> None:
        response, arrived = answer.response, self._arrived()
        status = response.status_code
        self._refuse_status(response)
        if status == 206:
            start, total = _content_range(response)
            if start != arrived:
                self.part.unlink(missing_ok=True)
                raise _Cut("the hub sent another range than was asked for")
        else:
            arrived, total = 0, _length(response)
        total = self._expected(total if total is not None else answer.linked_bytes)
        self._refuse_another_file(answer)
        if status == 200:
            self._remember(response)
        with self.part.open("ab" if arrived else "wb") as part:
            for chunk in response.iter_raw():
                arrived += len(chunk)
                if arrived > (UNKNOWN_LIMIT_BYTES if total is None else total):
                    raise self._wrong_length("more")
                part.write(chunk)
                self.report(arrived)
                if self.stopped.is_set():
                    raise _Cut("it was stopped")
            part.flush()
            os.fsync(part.fileno())
        if total is not None and arrived < total:
            raise _Cut("the connection ended early")

    def _refuse_status(self, response: httpx.Response) -> None:
        status = response.status_code
        if status in (200, 206):
            return
        if status == 416:
            self.part.unlink(missing_ok=True)
            raise _Cut("the hub has not the rest of it")
        if status in _TRANSIENT:
            raise _Cut(f"the hub answers {status}", _retry_after_s(response))
        advice = {401: "it wants a sign-in", 403: "it forbids it", 404: "it has no such file"}
        raise DownloadFailed(
            f"{self.file.name} could not be downloaded: the hub answers {status}"
            f"{f' ({advice[status]})' if status in advice else ''}.",
            retryable=False,
        )

    def _expected(self, offered_bytes: int | None) -> int | None:
        """The file's size. Raises `DownloadFailed` where the hub offers another one."""
        stated = self.file.size_bytes
        if stated is not None and offered_bytes is not None and stated != offered_bytes:
            raise self._wrong_length(str(offered_bytes))
        if stated is None and offered_bytes is not None and offered_bytes > UNKNOWN_LIMIT_BYTES:
            raise self._wrong_length(str(offered_bytes))
        return offered_bytes if stated is None else stated

    def _refuse_another_file(self, answer: HubAnswer) -> None:
        """Before a gigabyte has arrived, not behind it."""
        claimed = answer.linked_digest
        if claimed is not None and self.file.digest_known and claimed != self.file.sha256:
            raise DownloadFailed(
                f"{self.file.name} is another file at the hub: SHA-256 {claimed} instead of "
                f"{self.file.sha256}; nothing was downloaded.",
                retryable=False,
            )

    def _wrong_length(self, found: str) -> DownloadFailed:
        self.part.unlink(missing_ok=True)
        stated = self.file.size_bytes
        limit = f"at most {UNKNOWN_LIMIT_BYTES}" if stated is None else str(stated)
        return DownloadFailed(
            f"{self.file.name} is another file at the hub: {found} bytes instead of {limit}.", retryable=False
        )

    def _remember(self, response: httpx.Response) -> None:
        """A weak tag, or none, cannot prove that two answers are one file: then every attempt begins anew."""
        tag = response.headers.get("etag", "")
        strong = tag.startswith('"') and len(tag) < 200
        note = {"url": self.url, "etag": tag if strong else None}
        self._note.write_text(json.dumps(note), encoding="utf-8")

    def _arrived(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    @property
    def _note(self) -> Path:
        return self.part.with_name(f"{self.part.name}.json")


def _length(response: httpx.Response) -> int | None:
    text = response.headers.get("content-length", "")
    return int(text) if re.fullmatch(r"[0-9]{1,15}", text) else None


def _content_range(response: httpx.Response) -> tuple[int, int | None]:
    """Where the part starts, -1 where it does not say, and the size of the whole."""
    found = re.fullmatch(
        r"bytes ([0-9]{1,15})-[0-9]{1,15}/([0-9]{1,15}|\*)", response.headers.get("content-range", "")
    )
    if found is None:
        return -1, None
    return int(found[1]), None if found[2] == "*" else int(found[2])


def _retry_after_s(response: httpx.Response) -> float | None:
    text = response.headers.get("retry-after", "")
    return float(text) if re.fullmatch(r"[0-9]{1,4}", text) else None
