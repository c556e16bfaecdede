"""The skeleton of an ONNX file: all of it but weights, texts for people, and what nothing here reads.

An ONNX file is protobuf and may come from anyone. Its fields are walked without being unpacked, so that weights of gigabytes
are never read, and what is left for the parser is small. The numbers of fields are those of onnx.proto.
"""

from __future__ import annotations

import hashlib
import mmap
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ...inputs import RequestError

MAX_FILE: Final = 2**31 - 1
"""Protobuf's own limit; larger models keep their weights in other files."""
MAX_FIELDS: Final = 1_000_000
MAX_FIELD: Final = 65_536
MAX_SKELETON: Final = 16_000_000
"""Bytes of one field, and of all that are kept beside values of tensors: names, attributes, dimensions."""
MAX_VALUE: Final = 2**20 + 64
MAX_VALUES: Final = 2**26
"""Bytes of the values of one tensor, and of all, that are kept: shapes and masks are smaller, larger ones are weights."""

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


@dataclass(frozen=True, slots=True)
class _Message:
    """Which fields of a message are kept as they are, which hold messages, and which hold a tensor's values."""

    whole: frozenset[int]
    inner: Mapping[int, _Message] = field(default_factory=dict)
    values: frozenset[int] = frozenset()


_TENSOR: Final = _Message(frozenset({1, 2, 8, 13, 14}), values=frozenset({4, 5, 7, 9, 10, 11}))
_ATTRIBUTE: Final = _Message(frozenset({1, 2, 3, 4, 7, 8, 9, 20}), {5: _TENSOR})
_NODE: Final = _Message(frozenset({1, 2, 3, 4, 7}), {5: _ATTRIBUTE})
_GRAPH: Final = _Message(frozenset({2, 11, 12}), {1: _NODE, 5: _TENSOR})
_MODEL: Final = _Message(frozenset({1, 2, 3, 8}), {7: _GRAPH})


@dataclass(frozen=True, slots=True, kw_only=True)
class Skeleton:
    """What is left of a file: a ModelProto without weights; the size and the SHA-256 of the whole."""

    model: bytes
    size: int
    sha256: str


def read(path: Path) -> Skeleton:
    """Return the skeleton of a file. Raises RequestError when it cannot be read, is too large, or is no protobuf."""
    try:
        _check(path)
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _skeleton(data, path)
    except RequestError:
        raise
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise RequestError(f"{path}: cannot be read ({reason}); give an ONNX file") from error


def _check(path: Path) -> None:
    """Raise RequestError for what is no file of a model's size, before it is opened: a pipe would wait for its writer."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise RequestError(f"{path}: not a regular file; give the path of an ONNX file")
    if not 0 < status.st_size <= MAX_FILE:
        limits = f"an ONNX file has 1 to {MAX_FILE:,}; larger weights go beside it"
        raise RequestError(f"{path}: {status.st_size:,} bytes; {limits}")


def _skeleton(data: mmap.mmap, path: Path) -> Skeleton:
    digest = hashlib.sha256(data).hexdigest()
    try:
        model = _Walk(data).stripped(_MODEL, 0, len(data))
    except _NoProtobufError as error:
        raise RequestError(f"{path}: no ONNX model ({error}); export it again") from error
    return Skeleton(model=model, size=len(data), sha256=digest)


class _NoProtobufError(ValueError):
    """The bytes are no message, or one beyond the limits."""


class _Walk:
    """Walks the fields of nested messages, counting them and what is kept."""

    def __init__(self, data: mmap.mmap | bytes) -> None:
        self.data = data
        self.fields = 0
        self.kept = 0
        self.values = 0

    def stripped(self, message: _Message, start: int, end: int) -> bytes:
        """Return the message between two offsets, without the fields that are not kept."""
        parts: list[bytes] = []
        for number, kind, begin, value, stop in self._fields(start, end):
            if number in message.whole:
                parts.append(self._keep(begin, stop))
            elif number in message.values:
                parts += self._values(begin, stop)
            elif kind == _BYTES and number in message.inner:
                inner = self.stripped(message.inner[number], value, stop)
                parts += [_varint(number << 3 | _BYTES), _varint(len(inner)), inner]
        return b"".join(parts)

    def _keep(self, begin: int, stop: int) -> bytes:
        self.kept += stop - begin
        if self.kept > MAX_SKELETON or stop - begin > MAX_FIELD:
            raise _NoProtobufError(f"more than {MAX_SKELETON:,} bytes beside the weights, or {MAX_FIELD:,} of one field")
        return self.data[begin:stop]

    def _values(self, begin: int, stop: int) -> list[bytes]:
        """Return a field of a tensor's values, or nothing where it is larger than what shapes take."""
        if stop - begin > MAX_VALUE:
            return []
        self.values += stop - begin
        return [self.data[begin:stop]] if self.values <= MAX_VALUES else []

    def _fields(self, start: int, end: int) -> Iterator[tuple[int, int, int, int, int]]:
        """Yield number, wire type and offsets of every field: where it begins, where its value does, where it ends."""
        while start < end:
            self.fields += 1
            if self.fields > MAX_FIELDS:
                raise _NoProtobufError(f"more than {MAX_FIELDS:,} fields")
            tag, value = self._number(start, end)
            number, kind = tag >> 3, tag & 7
            if kind == _VARINT:
                stop = self._number(value, end)[1]
            elif kind == _BYTES:
                length, value = self._number(value, end)
                stop = value + length
            elif kind in (_FIXED32, _FIXED64):
                stop = value + (4 if kind == _FIXED32 else 8)
            else:
                raise _NoProtobufError(f"no protobuf field at byte {start:,}")
            if stop > end or not number:
                raise _NoProtobufError(f"the field at byte {start:,} is cut off")
            yield number, kind, start, value, stop
            start = stop

    def _number(self, start: int, end: int) -> tuple[int, int]:
        """Return the varint at an offset, and where it ends."""
        value = shift = 0
        for place in range(start, min(end, start + 10)):
            byte = self.data[place]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:  # noqa: PLR2004 - the last byte has no continuation bit
                return value, place + 1
            shift += 7
        raise _NoProtobufError(f"the number at byte {start:,} is cut off")


def _varint(value: int) -> bytes:
    parts = bytearray()
    while value > 0x7F:  # noqa: PLR2004 - seven bits a byte
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)
