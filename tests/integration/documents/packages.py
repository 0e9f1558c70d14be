"""Packed files as no program writes them: sizes that lie, members that overlap, names that climb out of the folder."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

MIB = 1024 * 1024
_DEFLATED = 8
_SPACES = b" " * MIB


@dataclass(frozen=True, kw_only=True)
class Member:
    """One entry of an archive, as its directory has it."""

    name: str
    stream: bytes = field(repr=False)
    """Deflated."""
    size: int
    """What the archive says that it is unpacked."""
    crc: int = 0
    flags: int = 0
    shares: bool = False
    """True when it names the data of the first member rather than data of its own."""


def archive(members: Sequence[Member], base: bytes = b"") -> bytes:
    """An archive of the members of another one, and of these.

    Args:
        members: written as they are told, true or not.
        base: an archive; its members of the same names are left out.
    """
    out, directory, count = io.BytesIO(), io.BytesIO(), 0
    names = {member.name for member in members}
    kept = [] if not base else [member for member in _members(base) if member.name not in names]
    offset = 0
    first: tuple[int, Member] | None = None
    for member in [*kept, *members]:
        if member.shares and first is not None:
            offset = first[0]
        else:
            offset = out.tell()
            out.write(_local(member))
            out.write(member.stream)
        if first is None and member in members:
            first = (offset, member)
        directory.write(_central(member, offset))
        count += 1
    start = out.tell()
    out.write(directory.getvalue())
    shown = min(count, 0xFFFF)
    out.write(struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, shown, shown, len(directory.getvalue()), start, 0))
    return out.getvalue()


def plain(name: str, content: bytes) -> Member:
    """A member that says the truth."""
    return Member(name=name, stream=_deflate(content), size=len(content), crc=zlib.crc32(content))


def spaces(name: str, mib: int, *, before: bytes = b"", size: int | None = None, flags: int = 0) -> Member:
    """A member of so many MiB of spaces, which take next to nothing packed.

    Args:
        name: of the member.
        mib: how many.
        before: comes first.
        size: what the archive says; default the truth.
        flags: of the entry.
    """
    squeezed, crc = _blank(mib, before)
    true = len(before) + mib * MIB
    return Member(name=name, stream=squeezed, size=true if size is None else size, crc=crc, flags=flags)


def added(base: bytes, *members: tuple[str | zipfile.ZipInfo, bytes]) -> bytes:
    """The archive with more members."""
    target = io.BytesIO(base)
    with zipfile.ZipFile(target, "a", zipfile.ZIP_DEFLATED) as out:
        for name, content in members:
            out.writestr(name, content)
    return target.getvalue()


def changed(base: bytes, member: str, old: str, new: str) -> bytes:
    """The archive with something else in one member."""
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(base)) as source, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as out:
        for name in source.namelist():
            content = source.read(name)
            if name == member:
                assert old.encode() in content
                content = content.replace(old.encode(), new.encode(), 1)
            out.writestr(name, content)
    return target.getvalue()


def read(base: bytes, member: str) -> bytes:
    """What a member holds."""
    with zipfile.ZipFile(io.BytesIO(base)) as source:
        return source.read(member)


def symlink(name: str) -> zipfile.ZipInfo:
    """The entry of a symbolic link."""
    entry = zipfile.ZipInfo(name)
    entry.create_system = 3
    entry.external_attr = 0o120777 << 16
    return entry


def _members(base: bytes) -> list[Member]:
    with zipfile.ZipFile(io.BytesIO(base)) as source:
        return [plain(name, source.read(name)) for name in source.namelist()]


@cache
def _blank(mib: int, before: bytes) -> tuple[bytes, int]:
    """Deflated, and its checksum."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    head = packer.compress(before) + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(_SPACES) + packer.flush(zlib.Z_FULL_FLUSH)  # whole in itself, so that it may be repeated
    crc = zlib.crc32(before)
    for _ in range(mib):
        crc = zlib.crc32(_SPACES, crc)
    return head + block * mib + packer.flush(), crc


def _deflate(content: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(content) + packer.flush()


def _local(member: Member) -> bytes:
    name = member.name.encode()
    head = struct.pack(
        "<4s5H3L2H",
        b"PK\3\4",
        45,
        member.flags,
        _DEFLATED,
        0,
        33,
        member.crc,
        len(member.stream),
        min(member.size, 0xFFFFFFFF),
        len(name),
        0,
    )
    return head + name


def _central(member: Member, offset: int) -> bytes:
    name = member.name.encode()
    # Sizes of 4 GiB and more stand in an extra field.
    extra = struct.pack("<HHQ", 1, 8, member.size) if member.size >= 0xFFFFFFFF else b""
    head = struct.pack(
        "<4s6H3L5H2L",
        b"PK\1\2",
        45,
        45,
        member.flags,
        _DEFLATED,
        0,
        33,
        member.crc,
        len(member.stream),
        min(member.size, 0xFFFFFFFF),
        len(name),
        len(extra),
        0,
        0,
        0,
        0,
        offset,
    )
    return head + name + extra
