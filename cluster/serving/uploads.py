"""Uploads: a body, as it comes → a file of limited size, whatever its headers claim.

In: the chunks of a request with `multipart/form-data`, a `file` and perhaps `models`, each in time (`bodies`). Out: an
`Upload`. The body is parsed as it comes, and written before more of it is read: memory does not depend on its size, and
a client sends no faster than the disk takes it. The file's name is kept as text to show, and never used as a path.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from cluster.serving.bodies import FORM
from cluster.serving.errors import ApiError, refused_where_full
from cluster.serving.media_types import HEAD_BYTES, media_type_of
from schemas.outcomes import FailureCode
from schemas.text import visible

MAX_NAME_CHARACTERS = 120
MAX_FIELD_BYTES = 4096
MAX_PARTS = 4


@dataclass(frozen=True)
class Upload:
    """A file that has come: the name that its owner knows it by, its size and type, and the models asked for."""

    name: str
    size_bytes: int
    media_type: str
    models: tuple[str, ...]


async def receive_upload(chunks: AsyncIterator[bytes], content_type: str, path: Path, max_bytes: int) -> Upload:
    """Write the file of a form, of at most `max_bytes`, to `path`. Raises `ApiError`."""
    kind, options = parse_options_header(content_type)
    boundary = options.get(b"boundary", b"")
    if kind.lower() != FORM.encode() or not 1 <= len(boundary) <= 70:
        raise ApiError("invalid", "send multipart/form-data with a part `file`, or JSON with a `uri`")
    with refused_where_full(), path.open("xb") as file:
        form = _Form(file, max_bytes)
        parser = MultipartParser(boundary, form.callbacks())  # type: ignore[arg-type]  # its types are narrower
        async for chunk in chunks:
            try:
                parser.write(chunk)
            except FormParserError as error:
                raise ApiError("invalid", "the form is not as multipart/form-data has to be") from error
            await form.flush()
        await form.flush()
    if not form.is_whole:
        raise ApiError("invalid", "the form has no part `file`, or ends before it does")
    media_type = media_type_of(form.head)
    if media_type is None:
        raise ApiError(FailureCode.NOT_MEDIA, "the file is no video of a format that is known here")
    models = tuple(name.strip() for name in form.models.decode(errors="replace").split(",") if name.strip())
    return Upload(shown_name(form.name), form.size_bytes, media_type, models)


def shown_name(name: str) -> str:
    """What a client calls its file, fit to be shown: the last part of a path, without control characters."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    return visible(last, kept="")[:MAX_NAME_CHARACTERS].strip() or "video"


@dataclass
class _Form:
    """What the parser finds: the file goes to `file`, as far as `max_bytes`."""

    file: BinaryIO
    max_bytes: int
    name: str = ""
    size_bytes: int = 0
    head: bytes = b""
    models: bytes = b""
    is_whole: bool = False
    _parts: int = 0
    _field: str = ""
    _header: bytes = b""
    _value: bytes = b""
    _headers: dict[bytes, bytes] = field(default_factory=dict)
    _unwritten: list[bytes] = field(default_factory=list)

    def callbacks(self) -> dict[str, object]:
        """For the parser."""
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._add_header,
            "on_header_value": self._add_value,
            "on_header_end": self._end_header,
            "on_headers_finished": self._end_headers,
            "on_part_data": self._add_data,
            "on_part_end": self._end,
        }

    async def flush(self) -> None:
        """Write what has come, in a thread: a disk may be slow."""
        if self._unwritten:
            content, self._unwritten = b"".join(self._unwritten), []
            await asyncio.to_thread(self.file.write, content)

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise ApiError("invalid", f"a form has {MAX_PARTS} parts at most")
        self._headers, self._field = {}, ""

    def _add_header(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]
        self._check(self._header)

    def _add_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]
        self._check(self._value)

    def _check(self, text: bytes) -> None:
        if len(text) > MAX_FIELD_BYTES:
            raise ApiError("invalid", f"a field of a form has {MAX_FIELD_BYTES} bytes at most")

    def _end_header(self) -> None:
        self._headers[self._header.lower()] = self._value
        self._header = self._value = b""
        if len(self._headers) > MAX_PARTS:
            raise ApiError("invalid", "a part of the form has too many headers")

    def _end_headers(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        self._field = options.get(b"name", b"").decode(errors="replace")
        if self._field == "file":
            if self.is_whole:
                raise ApiError("invalid", "send one file at a time")
            self.name = options.get(b"filename", b"").decode(errors="replace")

    def _add_data(self, data: bytes, start: int, end: int) -> None:
        if self._field == "file":
            self.size_bytes += end - start
            if self.size_bytes > self.max_bytes:
                raise ApiError("too_large", f"a video may have {self.max_bytes >> 20} MiB here")
            if len(self.head) < HEAD_BYTES:
                self.head += data[start : min(end, start + HEAD_BYTES)]
            self._unwritten.append(data[start:end])
        elif self._field == "models":
            self.models += data[start:end]
            self._check(self.models)

    def _end(self) -> None:
        self.is_whole = self.is_whole or self._field == "file"
