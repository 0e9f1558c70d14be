"""Messages on the pipes between the service and a worker: a JSON object, then the binary parts whose sizes it names.

JSON and bytes, never pickle: a worker that a hostile file has taken over must not make the service run code.
"""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO

_LENGTH = struct.Struct(">I")
_SIZES = "sizes"
MAX_HEADER_BYTES = 1024 * 1024
"""Longest JSON object; a worker that claims more is broken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message."""

    header: Mapping[str, Any]
    parts: Sequence[bytes] = field(default=(), repr=False)


class BrokenFrame(Exception):
    """The other side sent what is no message, or more than allowed."""


def encode(message: Message) -> list[bytes]:
    """The message as chunks to write one after the other."""
    sizes = [len(part) for part in message.parts]
    header = json.dumps({**message.header, _SIZES: sizes}).encode()
    return [_LENGTH.pack(len(header)), header, *message.parts]


async def read(stream: asyncio.StreamReader, *, max_bytes: int) -> Message:
    """The next message.

    Raises:
        EOFError: the other side is gone.
        BrokenFrame: it sent nonsense, or parts of more than `max_bytes`.
    """
    header = _decode(await stream.readexactly(_header_size(await stream.readexactly(_LENGTH.size))))
    if sum(header[_SIZES]) > max_bytes:
        raise BrokenFrame(f"{sum(header[_SIZES])} bytes; at most {max_bytes}")
    return Message(header=header, parts=[await stream.readexactly(size) for size in header[_SIZES]])


def read_blocking(stream: BinaryIO) -> Message | None:
    """The next message; None when the other side is gone."""
    prefix = stream.read(_LENGTH.size)
    if len(prefix) < _LENGTH.size:
        return None
    header = _decode(stream.read(_header_size(prefix)))
    return Message(header=header, parts=[stream.read(size) for size in header[_SIZES]])


def write_blocking(stream: BinaryIO, message: Message) -> None:
    """Send a message."""
    for chunk in encode(message):
        stream.write(chunk)
    stream.flush()


def _header_size(prefix: bytes) -> int:
    size: int = _LENGTH.unpack(prefix)[0]
    if size > MAX_HEADER_BYTES:
        raise BrokenFrame(f"a header of {size} bytes; at most {MAX_HEADER_BYTES}")
    return size


def _decode(raw: bytes) -> dict[str, Any]:
    try:
        header = json.loads(raw)
    except ValueError as exc:
        raise BrokenFrame("the header is not JSON") from exc
    sizes = header.get(_SIZES) if isinstance(header, dict) else None
    if not isinstance(sizes, list) or not all(isinstance(size, int) and size >= 0 for size in sizes):
        raise BrokenFrame("the header names no sizes")
    checked: dict[str, Any] = header
    return checked
