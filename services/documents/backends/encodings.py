"""Bytes to text: what a file says of its encoding, else what its bytes look like."""

from __future__ import annotations

import codecs
import re
import unicodedata
from types import MappingProxyType
from typing import NamedTuple

from services.documents.backends.guessing import guess

_HEAD_BYTES = 4_096

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_DECLARED = re.compile(
    rb"""<\?xml[^>]{0,200}?\bencoding\s*=\s*["']([\w.:-]+)"""
    rb"""|<meta[^>]{0,300}?\bcharset\s*=\s*["']?\s*([\w.:-]+)"""
    rb"""|\\usepackage\s*\[([\w-]+)\]\s*\{inputenc\}""",
    re.IGNORECASE,
)
_AS_BROWSERS = MappingProxyType(
    {
        **dict.fromkeys(("ascii", "us-ascii", "iso-8859-1", "latin1", "latin-1", "ansinew", "x-cp1252"), "cp1252"),
        **dict.fromkeys(("gb2312", "gbk", "gb_2312-80", "x-gbk", "hz-gb-2312"), "gb18030"),
        **dict.fromkeys(("shift_jis", "shift-jis", "sjis", "x-sjis", "windows-31j", "ms_kanji"), "cp932"),
        **dict.fromkeys(("euc-kr", "ks_c_5601-1987", "ksc5601", "windows-949"), "cp949"),
        **dict.fromkeys(("big5", "big5-hkscs", "cn-big5", "x-x-big5"), "big5hkscs"),
        **dict.fromkeys(("iso-8859-9", "latin5"), "cp1254"),
        **dict.fromkeys(("iso-8859-11", "tis-620", "windows-874"), "cp874"),
        "x-mac-cyrillic": "mac-cyrillic",
        "macintosh": "mac-roman",
        "utf8x": "utf-8",
        "applemac": "mac-roman",
    }
)
"""Names as the web uses them: a page that says ISO-8859-1 is Windows-1252, GB2312 is GB18030."""
_NAMES = MappingProxyType(
    {
        "cp932": "Shift_JIS",
        "euc_jp": "EUC-JP",
        "gb18030": "GB18030",
        "big5hkscs": "Big5",
        "cp949": "EUC-KR",
        "koi8_r": "KOI8-R",
        "koi8_u": "KOI8-U",
        "iso2022_jp_2": "ISO-2022-JP",
        "iso2022_kr": "ISO-2022-KR",
        "mac_cyrillic": "MacCyrillic",
        "mac_roman": "MacRoman",
    }
)
_PRINTABLE = re.compile(rb"[\t\n\r -~]")
_FORBIDDEN = re.compile("[\0-\x08\x0e-\x1f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
"""What XML and JSON readers refuse; U+FDD0 marks places inside this service."""
_PAGE_BREAKS = re.compile("[\x0b\x0c]")
_LEAST_AGAINST_DECLARATION = 8
"""Characters of UTF-8 for each byte that is none, where a file declares another encoding: in short Chinese texts in GBK
half of the characters are UTF-8 by chance, as in "\u4e66\u672c", while UTF-8 under a wrong name has few bad bytes."""
_MOST_SCRIPTS = 4
"""Of one text: Japanese has three beside Latin. Binary data read as UTF-16 has a dozen."""


class Decoded(NamedTuple):
    """A text, and what had to be assumed or dropped."""

    text: str
    problems: tuple[str, ...]


def decode(data: bytes, page_break: str = "\n") -> Decoded:
    """The text of a file, with `page_break` for form feeds and vertical tabs.

    A byte-order mark counts first, then what is UTF-8 (but for bad bytes), then what the file declares, then what
    its bytes look like. Time is linear in the file, and a detector reads only its first 16 KiB.
    """
    if mark := _bom(data):
        text, problems = _replaced(data[len(mark[0]) :], mark[1])
    elif encoding := wide(data[:_HEAD_BYTES]):
        text, problems = _replaced(data, encoding)
    else:
        text, problems = _narrow(data)
    text, dropped = _allowed(_PAGE_BREAKS.sub(page_break, text.lstrip("\ufeff")))
    return Decoded(text, (*problems, *dropped))


def wide(head: bytes) -> str | None:
    """The encoding of a text of two or four bytes a character; None for other data.

    Args:
        head: the first bytes of a file, a multiple of four of them or all.
    """
    if mark := _bom(head):
        return mark[1] if mark[0] != codecs.BOM_UTF8 else None
    if b"\0" not in head or _is_narrow(head):
        return None
    scores = {encoding: _plausible(head, encoding) for encoding in ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be")}
    best = max(scores, key=lambda encoding: scores[encoding])
    return best if scores[best] > 0 else None


def _is_narrow(head: bytes) -> bool:
    """True for plain ASCII with stray NULs: wide Latin text has one in every second byte, other scripts no ASCII."""
    nuls = head.count(0)
    return nuls * 4 < len(head) and len(_PRINTABLE.findall(head)) > (len(head) - nuls) * 0.9


def _bom(data: bytes) -> tuple[bytes, str] | None:
    return next(((bom, name) for bom, name in _BOMS if data.startswith(bom)), None)


def _plausible(head: bytes, encoding: str) -> float:
    """0 for data that is no text in this encoding, else more for a more usual one."""
    width = 4 if "32" in encoding else 2
    if len(head) < 2 * width:
        return 0
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(head[: len(head) // width * width])
    except UnicodeDecodeError:
        return 0
    characters = frozenset(text)
    if any(unicodedata.category(char) in {"Cn", "Co", "Cc"} and char not in "\t\n\r\f" for char in characters):
        return 0
    scripts = {unicodedata.name(char, "").partition(" ")[0] for char in characters if char.isalpha()}
    if len(scripts) > _MOST_SCRIPTS:
        return 0
    usual = sum(char.isascii() for char in text) + sum("\u0400" <= char < "\u2000" for char in text) / 8
    return usual / len(text) * (2 if width == 4 else 1)  # UTF-32 read as UTF-16 has a NUL in every character


def _narrow(data: bytes) -> tuple[str, list[str]]:
    """The text of a file whose characters are single bytes, or more where it is needed."""
    if b"\x1b$" in data[:_HEAD_BYTES] and (escaped := _escaped(data)):
        return escaped
    try:
        return data.decode("utf-8"), []
    except UnicodeDecodeError:
        pass
    text = data.decode("utf-8", "replace")
    bad = text.count("\ufffd") - data.count(b"\xef\xbf\xbd")
    good = sum(not char.isascii() for char in text) - text.count("\ufffd")
    declared, name = _declared(data)
    if good >= bad * (1 if declared is None else _LEAST_AGAINST_DECLARATION):
        return text, [_bad_bytes(text, bad, "UTF-8")]
    if declared is not None:
        return _replaced(data, declared)
    encoding = guess(data)
    text, bad_bytes = _replaced(data, encoding)
    return text, [_assumed(name, _name(encoding)), *bad_bytes]


def _assumed(declared: str, encoding: str) -> str:
    """What is told of a text whose encoding was guessed, as what it declares is of no use."""
    if not declared:
        return f"decoded as {encoding}, as nothing says its encoding; save it as UTF-8"
    unicode = _unicode(declared)
    says = (
        f"it says {unicode} but is not" if unicode else f"it says that its encoding is {declared}, which is not known"
    )
    return f"{says}; decoded as {encoding}; save it as UTF-8"


def _unicode(name: str) -> str:
    """The name of a form of Unicode; empty for other names."""
    try:
        codec = codecs.lookup(_AS_BROWSERS.get(name, name)).name
    except (LookupError, ValueError):
        return ""
    return codec.upper() if codec.startswith("utf") else ""


def _declared(data: bytes) -> tuple[str | None, str]:
    """The codec of the encoding that a file declares, None for one that is not known, and its name as declared."""
    match = _DECLARED.search(data, 0, _HEAD_BYTES)
    name = next(filter(None, match.groups())).decode("ascii").lower() if match else ""
    return _codec(name), name


def _escaped(data: bytes) -> tuple[str, list[str]] | None:
    """Mail-era Japanese and Korean: seven bits, with escapes between character sets."""
    for encoding in ("iso2022_kr",) if b"\x1b$)C" in data[:_HEAD_BYTES] else ("iso2022_jp_2",):
        try:
            return data.decode(encoding), []
        except UnicodeDecodeError:
            continue
    return None


def _codec(name: str) -> str | None:
    """Python's codec for a declared name; None where there is none for text of single bytes."""
    try:
        codec = codecs.lookup(_AS_BROWSERS.get(name, name))
        "".encode(codec.name)
    except (LookupError, ValueError, TypeError):
        return None
    return None if codec.name.startswith(("utf", "idna", "punycode", "unicode", "raw")) else codec.name


def _replaced(data: bytes, encoding: str) -> tuple[str, list[str]]:
    """The text, with U+FFFD for what is no character."""
    try:
        return data.decode(encoding), []
    except UnicodeDecodeError:
        text = data.decode(encoding, "replace")
        if encoding == "cp1252":  # browsers show the five bytes that it leaves open as what Latin-1 has there
            return data.decode("cp1252", _LATIN_1), []
        return text, [_bad_bytes(text, text.count("\ufffd"), _name(encoding))]


def _bad_bytes(text: str, bad: int, encoding: str) -> str:
    line = text.count("\n", 0, text.index("\ufffd")) + 1
    return f"{bad} {'byte is' if bad == 1 else 'bytes are'} not {encoding}, the first in line {line}; shown as U+FFFD"


def _allowed(text: str) -> tuple[str, list[str]]:
    """The text without the characters that no XML may hold."""
    first = _FORBIDDEN.search(text)
    if first is None:
        return text, []
    line = text.count("\n", 0, first.start()) + 1
    text, dropped = _FORBIDDEN.subn("", text)
    characters = "control character was" if dropped == 1 else "control characters were"
    return text, [f"{dropped} {characters} dropped, the first in line {line}"]


def _name(encoding: str) -> str:
    encoding = codecs.lookup(encoding).name.replace("-", "_")
    return _NAMES.get(encoding) or encoding.upper().replace("CP125", "Windows-125").replace("_", "-")


def _latin_1(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.end].decode("latin-1"), error.end


_LATIN_1 = "isolane-latin-1"
codecs.register_error(_LATIN_1, _latin_1)
