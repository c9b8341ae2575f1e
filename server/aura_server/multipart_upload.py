"""One uploaded file out of a multipart body, streamed: never more than a chunk of it in memory. Layer 5.

A form holds exactly one file and nothing else. The stream of its bytes only ends well after the closing
boundary was seen, so a body that is cut short, or that goes on with a second file, fails before anything
has been committed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.requests import Request

from aura_local.errors import InvalidRequest, UnsupportedMedia

ONE_FILE: Final = "Send exactly one file per request, as a form with one file field and nothing else."


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """A file on its way in."""

    name: str
    """As the client gave it: not to be trusted, never a path."""
    chunks: AsyncIterator[bytes]
    """Its bytes; raises `InvalidRequest` where the form is broken."""


async def open_upload(request: Request) -> UploadedFile:
    """Read the form up to the beginning of its file.

    Raises `UnsupportedMedia` for anything but multipart/form-data, `InvalidRequest` for a broken form.
    """
    content_type, options = parse_options_header(request.headers.get("content-type"))
    boundary = options.get(b"boundary")
    if content_type.lower() != b"multipart/form-data" or not boundary:
        raise UnsupportedMedia("Send the file as multipart/form-data.")
    form = _Form(request.stream(), boundary)
    return UploadedFile(await form.file_name(), form.file_bytes())


class _Form:
    """Feeds the body to the parser and keeps what comes out until it is asked for."""

    def __init__(self, body: AsyncIterator[bytes], boundary: bytes) -> None:
        self._body = body
        self._name: str | None = None
        self._header = bytearray()
        self._value = bytearray()
        self._disposition = b""
        self._parts = 0
        self._chunks: deque[bytes] = deque()
        self._ended = False
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._part_begun,
                    "on_header_field": self._header_read,
                    "on_header_value": self._value_read,
                    "on_header_end": self._header_ended,
                    "on_headers_finished": self._headers_finished,
                    "on_part_data": self._data_read,
                    "on_end": self._form_ended,
                },
            )
        except FormParserError as error:
            raise InvalidRequest("The form's boundary is not valid.") from error

    async def file_name(self) -> str:
        while self._name is None:
            await self._feed()
        return self._name

    async def file_bytes(self) -> AsyncIterator[bytes]:
        while True:
            while self._chunks:
                yield self._chunks.popleft()
            if self._ended:
                break
            await self._feed()
        async for _ in self._body:  # what follows the last boundary means nothing
            pass

    async def _feed(self) -> None:
        chunk = await anext(self._body, None)
        if chunk is None or self._ended:
            raise InvalidRequest(ONE_FILE if self._ended else "The upload is cut short.")
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise InvalidRequest("The upload is not a well-formed multipart form.") from error

    def _part_begun(self) -> None:
        self._parts += 1
        if self._parts > 1:
            raise InvalidRequest(ONE_FILE)

    def _header_read(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _value_read(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_ended(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = bytes(self._value)
        self._header.clear()
        self._value.clear()

    def _headers_finished(self) -> None:
        _, options = parse_options_header(self._disposition)
        name = options.get(b"filename")
        if name is None:
            raise InvalidRequest(ONE_FILE)
        self._name = name.decode("utf-8", "replace")

    def _data_read(self, data: bytes, start: int, end: int) -> None:
        self._chunks.append(data[start:end])

    def _form_ended(self) -> None:
        self._ended = True
