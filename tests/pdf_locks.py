"""PDF files with passwords: the standard security handler of ISO 32000, its ciphers written out.

Slow, and good for small test files alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import md5, sha256, sha384, sha512
from itertools import cycle

from tests.pdfs import assembled, stream

_PADDING = bytes.fromhex("28BF4E5E4E758A4164004E56FFFA01082E2E00B6D0683E802F0CA9FE6453697A")
_ID = bytes(range(16))
_ALLOWED = -44
"""Printing and copying."""
_BLOCK = bytes(range(16, 32))
"""The first block of what AES encrypts; random in real files."""
_KEY_32 = bytes(range(32, 64))


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """A revision of the handler."""

    name: str
    version: int
    revision: int
    key_bytes: int
    is_aes: bool = False


LOCKS = (
    Lock(name="rc4-40", version=1, revision=2, key_bytes=5),
    Lock(name="rc4-128", version=2, revision=3, key_bytes=16),
    Lock(name="aes-128", version=4, revision=4, key_bytes=16, is_aes=True),
    Lock(name="aes-256", version=5, revision=6, key_bytes=32, is_aes=True),
)


def locked(lock: Lock, line: str, *, user: bytes, owner: bytes = b"owner") -> bytes:
    """A PDF of one line.

    Args:
        lock: how it is encrypted.
        line: its text.
        user: the password that opens it; empty for none.
        owner: the password that lets it be changed.
    """
    key, entries = _modern(user, owner) if lock.revision == 6 else _old(lock, user, owner)
    content = f"BT /F1 12 Tf 72 400 Td ({line}) Tj ET".encode()
    encrypt = b"<< /Filter /Standard /V %d /R %d /Length %d /P %d %b %b >>" % (
        lock.version,
        lock.revision,
        8 * lock.key_bytes,
        _ALLOWED,
        _filters(lock) if lock.version >= 4 else b"",
        entries,
    )
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [4 0 R] /Count 1 >>",
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 5 0 R "
        b"/Resources << /Font << /F1 3 0 R >> >> >>",
        stream(_encrypted(lock, key, 5, content)),
        encrypt,
    ]
    identifier = _ID.hex().encode()
    return assembled(objects, trailer=b"/Encrypt 6 0 R /ID [<%b> <%b>]" % (identifier, identifier))


def _filters(lock: Lock) -> bytes:
    method = b"AESV3" if lock.revision == 6 else b"AESV2"
    crypt = b"/CF << /StdCF << /CFM /%b /AuthEvent /DocOpen /Length %d >> >>" % (method, lock.key_bytes)
    return crypt + b" /StmF /StdCF /StrF /StdCF"


def _encrypted(lock: Lock, key: bytes, number: int, content: bytes) -> bytes:
    """A stream of the object with a number."""
    if lock.revision < 6:
        salt = number.to_bytes(3, "little") + bytes(2) + (b"sAlT" if lock.is_aes else b"")
        key = md5(key + salt).digest()[: min(16, len(key) + 5)]
    if not lock.is_aes:
        return _rc4(key, content)
    fill = 16 - len(content) % 16
    return _BLOCK + _aes_chained(key, _BLOCK, content + bytes([fill]) * fill)


def _old(lock: Lock, user: bytes, owner: bytes) -> tuple[bytes, bytes]:
    """The key, and what the file says of it: revisions 2 to 4."""
    digest = md5(_padded(owner or user)).digest()
    if lock.revision >= 3:
        digest = _again(digest, 50)
    owner_entry = _rc4_chain(lock, digest[: lock.key_bytes], _padded(user))
    digest = md5(_padded(user) + owner_entry + (_ALLOWED % 2**32).to_bytes(4, "little") + _ID).digest()
    if lock.revision >= 3:
        digest = _again(digest[: lock.key_bytes], 50)
    key = digest[: lock.key_bytes]
    if lock.revision == 2:
        user_entry = _rc4(key, _PADDING)
    else:
        user_entry = _rc4_chain(lock, key, md5(_PADDING + _ID).digest()) + bytes(16)
    return key, b"/O <%b> /U <%b>" % (owner_entry.hex().encode(), user_entry.hex().encode())


def _modern(user: bytes, owner: bytes) -> tuple[bytes, bytes]:
    """The key, and what the file says of it: revision 6."""
    salts = b"validate", b"unlocked"
    user_entry = _hash(user, salts[0], b"") + b"".join(salts)
    user_key = _aes_chained(_hash(user, salts[1], b""), bytes(16), _KEY_32)
    owner_entry = _hash(owner, salts[0], user_entry) + b"".join(salts)
    owner_key = _aes_chained(_hash(owner, salts[1], user_entry), bytes(16), _KEY_32)
    allowed = (_ALLOWED % 2**32).to_bytes(4, "little") + b"\xff\xff\xff\xffTadbabcd"
    said = {b"U": user_entry, b"UE": user_key, b"O": owner_entry, b"OE": owner_key, b"Perms": _aes(_KEY_32)(allowed)}
    return _KEY_32, b" ".join(b"/%b <%b>" % (name, value.hex().encode()) for name, value in said.items())


def _hash(password: bytes, salt: bytes, user_entry: bytes) -> bytes:
    """ISO 32000-2, algorithm 2.B."""
    digest = sha256(password + salt + user_entry).digest()
    number = 0
    while True:
        block = _aes_chained(digest[:16], digest[16:32], (password + digest + user_entry) * 64)
        digest = (sha256, sha384, sha512)[sum(block[:16]) % 3](block).digest()
        number += 1
        if number >= 64 and block[-1] <= number - 32:
            return digest[:32]


def _padded(password: bytes) -> bytes:
    return (password + _PADDING)[:32]


def _again(digest: bytes, times: int) -> bytes:
    size = len(digest)
    for _ in range(times):
        digest = md5(digest).digest()[:size]
    return digest


def _rc4_chain(lock: Lock, key: bytes, content: bytes) -> bytes:
    for number in range(20 if lock.revision >= 3 else 1):
        content = _rc4(bytes(byte ^ number for byte in key), content)
    return content


def _rc4(key: bytes, content: bytes) -> bytes:
    state = list(range(256))
    at = 0
    for place, byte in zip(range(256), cycle(key)):
        at = (at + state[place] + byte) % 256
        state[place], state[at] = state[at], state[place]
    result = bytearray()
    at = 0
    for number, byte in enumerate(content, 1):
        place = number % 256
        at = (at + state[place]) % 256
        state[place], state[at] = state[at], state[place]
        result.append(byte ^ state[(state[place] + state[at]) % 256])
    return bytes(result)


def _aes_chained(key: bytes, block: bytes, content: bytes) -> bytes:
    """AES in CBC mode, without padding."""
    encrypt = _aes(key)
    result = bytearray()
    for start in range(0, len(content), 16):
        block = encrypt(bytes(a ^ b for a, b in zip(block, content[start : start + 16], strict=True)))
        result += block
    return bytes(result)


def _aes(key: bytes) -> Callable[[bytes], bytes]:
    """FIPS 197: what encrypts a block of 16 bytes. The columns of its state are numbers of 32 bits."""
    box, first, second, third, fourth = _tables()
    start, *middle, last = _round_keys(key, box)

    def encrypt(block: bytes) -> bytes:
        a, b, c, d = (int.from_bytes(block[at : at + 4]) ^ start[at // 4] for at in range(0, 16, 4))
        for e, f, g, h in middle:
            a, b, c, d = (
                first[a >> 24] ^ second[b >> 16 & 255] ^ third[c >> 8 & 255] ^ fourth[d & 255] ^ e,
                first[b >> 24] ^ second[c >> 16 & 255] ^ third[d >> 8 & 255] ^ fourth[a & 255] ^ f,
                first[c >> 24] ^ second[d >> 16 & 255] ^ third[a >> 8 & 255] ^ fourth[b & 255] ^ g,
                first[d >> 24] ^ second[a >> 16 & 255] ^ third[b >> 8 & 255] ^ fourth[c & 255] ^ h,
            )
        turned = ((a, b, c, d), (b, c, d, a), (c, d, a, b), (d, a, b, c))
        columns = (
            (box[w >> 24] << 24 | box[x >> 16 & 255] << 16 | box[y >> 8 & 255] << 8 | box[z & 255]) ^ round_key
            for (w, x, y, z), round_key in zip(turned, last, strict=True)
        )
        return b"".join(column.to_bytes(4) for column in columns)

    return encrypt


def _round_keys(key: bytes, box: Sequence[int]) -> list[tuple[int, ...]]:
    words = [list(key[start : start + 4]) for start in range(0, len(key), 4)]
    size, constant = len(words), 1
    for number in range(size, 4 * (size + 7)):
        word = words[-1]
        if number % size == 0:
            word = [box[byte] for byte in word[1:] + word[:1]]
            word[0] ^= constant
            constant = constant << 1 ^ (0x11B if constant & 0x80 else 0)
        elif size > 6 and number % size == 4:
            word = [box[byte] for byte in word]
        words.append([a ^ b for a, b in zip(word, words[number - size], strict=True)])
    columns = [int.from_bytes(bytes(word)) for word in words]
    return [tuple(columns[start : start + 4]) for start in range(0, len(columns), 4)]


@cache
def _tables() -> tuple[Sequence[int], ...]:
    """The substitutions, and what each byte of a column becomes, by its place in it."""
    doubled = [byte << 1 ^ (0x11B if byte & 0x80 else 0) for byte in range(256)]
    powers = [1]
    for _ in range(254):
        powers.append(powers[-1] ^ doubled[powers[-1]])
    logs = {power: exponent for exponent, power in enumerate(powers)}
    box = []
    for byte in range(256):
        inverse = powers[-logs[byte] % 255] if byte else 0
        turned = [(inverse << shift | inverse >> (8 - shift)) & 255 for shift in range(5)]
        box.append(turned[0] ^ turned[1] ^ turned[2] ^ turned[3] ^ turned[4] ^ 0x63)
    first = [doubled[each] << 24 | each << 16 | each << 8 | (doubled[each] ^ each) for each in box]
    others = ([(each >> shift | each << (32 - shift)) & 0xFFFFFFFF for each in first] for shift in (8, 16, 24))
    return box, first, *others
