"""Numbers as a spreadsheet shows them: format codes of ECMA-376 part 1, 18.8.31, with English names."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation, localcontext
from fractions import Fraction
from typing import NamedTuple

Number = int | float

_TOKEN = re.compile(
    r'"(?P<quoted>[^"]*)"?|\\(?P<escaped>.?)|_.?|\*.?|\[\$(?P<currency>[^\]\-]*)[^\]]*\]|\[(?P<elapsed>h+|m+|s+)\]'
    r"|\[(?P<condition>[<>=]+-?[\d.]+)\]|\[[^\]]*\]|(?P<general>General)|(?P<noon>AM/PM|A/P)"
    r"|(?P<exponent>E[+-])|(?P<date>y+|m+|d+|h+|s+(?:\.0+)?|e+|g+|b+)|(?P<digits>[0#?.,]+)|(?P<percent>%)|(?P<text>@)"
    r"|(?P<other>.)",
    re.IGNORECASE | re.DOTALL,
)
_SPLIT = re.compile(r'(?:"[^"]*"?|\\.|\[[^\]]*\]|[^;"\\\[])*')
_MOST_CODE = 255
"""Characters of a format code; Excel allows no more."""
_MONTHS = [date(2000, month, 1).strftime("%B") for month in range(1, 13)]
_DAYS = [date(2001, 1, day).strftime("%A") for day in range(1, 8)]
_DATE = frozenset({"date", "elapsed", "noon"})
_ONE = Decimal(1)


class _Token(NamedTuple):
    kind: str
    text: str


class _Section(NamedTuple):
    tokens: tuple[_Token, ...]
    condition: str

    @property
    def is_date(self) -> bool:
        return any(token.kind in _DATE for token in self.tokens)


def shown(value: Number, code: str, *, from_1904: bool = False) -> str:
    """A number as its cell shows it; the whole number where the format shows nothing or is not understood.

    Args:
        value: the number; a date is a count of days.
        code: the format code: `#,##0.00`.
        from_1904: days are counted from 1904.
    """
    if code in {"General", "@", ""} or len(code) > _MOST_CODE or value in {float("inf"), float("-inf")}:
        return general(value)
    section, is_signed = _section(value, _sections(code))
    try:
        text = _dated(value, section, from_1904) if section.is_date else _number(value, section, is_signed)
    except (ArithmeticError, InvalidOperation, ValueError, OverflowError):
        return general(value)
    return text.strip() or general(value)


def general(value: Number) -> str:
    """A number without a format: 15 digits at most where it is a fraction."""
    if isinstance(value, int):
        return str(value)
    return format(value, ".15g").upper()


@functools.lru_cache(maxsize=512)
def _sections(code: str) -> tuple[_Section, ...]:
    sections = []
    position = 0
    while position <= len(code):
        found = _SPLIT.match(code, position)
        end = found.end() if found else len(code)
        tokens = tuple(_tokens(code[position:end]))
        condition = next((token.text for token in tokens if token.kind == "condition"), "")
        sections.append(_Section(tokens, condition))
        position = end + 1
    return tuple(sections)


def _tokens(section: str) -> Iterator[_Token]:
    for found in _TOKEN.finditer(section):
        kind = found.lastgroup or ""
        if kind in {"quoted", "escaped", "currency", "other"}:
            yield _Token("literal", found[kind])
        elif kind:
            yield _Token(kind, found[kind])


def _section(value: Number, sections: Sequence[_Section]) -> tuple[_Section, bool]:
    """The part of a format that is for a value, and whether its sign is to be written."""
    conditional = [section for section in sections if section.condition]
    if conditional:
        for section in conditional:
            if _holds(value, section.condition):
                return section, value < 0
        rest = [section for section in sections if not section.condition]
        return (rest[0] if rest else _Section((_Token("general", ""),), "")), value < 0
    numeric = sections[:3]
    if value < 0 and len(numeric) > 1:
        return numeric[1], False
    if value == 0 and len(numeric) > 2:
        return numeric[2], False
    return numeric[0], value < 0


def _holds(value: Number, condition: str) -> bool:
    operator = condition.rstrip("0123456789.-")
    limit = float(condition[len(operator) :])
    return {
        "<": value < limit,
        ">": value > limit,
        "=": value == limit,
        "<=": value <= limit,
        ">=": value >= limit,
        "<>": value != limit,
    }.get(operator, False)


def _number(value: Number, section: _Section, is_signed: bool) -> str:  # noqa: FBT001 - internal
    tokens = section.tokens
    pattern = "".join(token.text for token in tokens if token.kind == "digits")
    sign = "-" if is_signed else ""
    if not pattern:
        shown_ = "".join(_plain(token, value) for token in tokens)
        return (sign if any(token.kind in {"general", "text"} for token in tokens) else "") + shown_
    if any(token.kind == "exponent" for token in tokens):
        return sign + _scientific(abs(value), tokens)
    if any(token.text == "/" for token in tokens):
        return sign + _fraction(abs(value), tokens)
    with localcontext() as context:
        context.prec = 400  # the largest double has 309 digits
        text = _decimal(abs(value), tokens, pattern)
    return sign + text if re.search(r"[1-9]", text) else text


def _plain(token: _Token, value: Number) -> str:
    if token.kind in {"general", "text"}:
        return general(abs(value))
    return {"literal": token.text, "percent": "%"}.get(token.kind, "")


def _decimal(value: Number, tokens: Sequence[_Token], pattern: str) -> str:
    whole_places, _, fraction_places = pattern.partition(".")
    stripped = whole_places.rstrip(",")
    thousands = len(whole_places) - len(stripped)
    if not fraction_places.rstrip(","):
        thousands += len(fraction_places)
    else:
        thousands += len(fraction_places) - len(fraction_places.rstrip(","))
    decimals = sum(fraction_places.count(place) for place in "0#?")
    number = Decimal(str(value)) * (100 ** sum(token.kind == "percent" for token in tokens))
    number = (number / (1000**thousands)).quantize(_ONE.scaleb(-decimals), rounding=ROUND_HALF_UP)
    whole, _, fraction = format(number, "f").partition(".")
    whole = whole.lstrip("0").rjust(stripped.count("0"), "0")
    if "," in stripped:
        whole = re.sub(r"(?<=\d)(?=(?:\d{3})+$)", ",", whole)
    optional = len(fraction_places) - len(fraction_places.rstrip("#?,"))
    while optional and fraction.endswith("0"):
        fraction, optional = fraction[:-1], optional - 1
    return _laid_out(tokens, whole, fraction)


def _laid_out(tokens: Sequence[_Token], whole: str, fraction: str) -> str:
    """The digits at the places of a format: `000-0000` splits them, from the right."""
    parts = [token for token in tokens if token.kind == "digits"]
    before = [part.text.partition(".")[0] for part in _until_point(parts)]
    rest = whole
    chunks: list[str] = []
    for places in reversed(before[1:]):
        count = sum(places.count(place) for place in "0#?")
        chunks.append(rest[len(rest) - count :] if count else "")
        rest = rest[: len(rest) - count] if count else rest
    chunks.append(rest)
    chunks.reverse()
    out = []
    index = 0
    is_after_point = False
    for token in tokens:
        if token.kind != "digits":
            out.append("%" if token.kind == "percent" else token.text if token.kind == "literal" else "")
            continue
        if not is_after_point:
            out.append(chunks[index] if index < len(chunks) else "")
            index += 1
        if "." in token.text:
            is_after_point = True
            out.append(f".{fraction}" if fraction else "")
    return "".join(out)


def _until_point(parts: Sequence[_Token]) -> Iterator[_Token]:
    for part in parts:
        yield part
        if "." in part.text:
            return


def _scientific(value: Number, tokens: Sequence[_Token]) -> str:
    kinds = [token.kind for token in tokens]
    at = kinds.index("exponent")
    mantissa = "".join(token.text for token in tokens[:at] if token.kind == "digits")
    places = "".join(token.text for token in tokens[at:] if token.kind == "digits")
    decimals = len(mantissa.partition(".")[2])
    digits, _, power = format(value, f".{decimals}E").partition("E")
    sign = "-" if power.startswith("-") else "+" if tokens[at].text.endswith("+") else ""
    return f"{digits}E{sign}{power.lstrip('+-').lstrip('0').rjust(max(1, len(places)), '0')}"


def _fraction(value: Number, tokens: Sequence[_Token]) -> str:
    texts = [token.text for token in tokens]
    at = texts.index("/")
    fixed = "".join(texts[at + 1 :]).strip()
    most = 10 ** max(1, fixed.count("?") + fixed.count("#") + fixed.count("0")) - 1
    exact = Fraction(str(value))
    if re.fullmatch(r"[1-9]\d*", fixed):
        part = Fraction(round(exact * int(fixed)), 1)
        top, bottom = int(part), int(fixed)
    else:
        near = exact.limit_denominator(min(most, 9999))
        top, bottom = near.numerator, near.denominator
    has_whole = sum(token.kind == "digits" for token in tokens[:at]) > 1
    whole, top = divmod(top, bottom) if has_whole else (0, top)
    if not top:
        return str(whole)
    return f"{whole} {top}/{bottom}" if whole else f"{top}/{bottom}"


def _dated(value: Number, section: _Section, from_1904: bool) -> str:  # noqa: FBT001 - internal
    tokens = section.tokens
    if value < 0 and not any(token.kind == "elapsed" for token in tokens):
        raise ValueError("no date before the first")
    places = max((len(t.text.partition(".")[2]) for t in tokens if t.kind == "date"), default=0)
    seconds = round(value * 86_400, places)
    moment = _moment(seconds, from_1904)
    is_noon = any(token.kind == "noon" for token in tokens)
    return "".join(_piece(tokens, at, moment, seconds, is_noon) for at in range(len(tokens)))


def _moment(seconds: float, from_1904: bool) -> datetime:  # noqa: FBT001 - internal
    start = datetime(1904, 1, 1) if from_1904 else datetime(1899, 12, 30)  # noqa: DTZ001 - sheets know no zones
    if not from_1904 and 0 <= seconds < 60 * 86_400:  # Excel has a 29th of February 1900, day 60
        start += timedelta(days=1) if seconds >= 86_400 else timedelta(0)
    return start + timedelta(seconds=abs(seconds))


def _piece(tokens: Sequence[_Token], at: int, moment: datetime, seconds: float, is_noon: bool) -> str:  # noqa: FBT001
    token = tokens[at]
    text = token.text.lower()
    match token.kind:
        case "literal" | "digits":  # of dates, points are separators: `dd.mm.yyyy`
            return token.text
        case "noon":
            return ("AM" if moment.hour < 12 else "PM")[: 1 if text == "a/p" else 2]
        case "elapsed":
            unit = {"h": 3600, "m": 60, "s": 1}[text[0]]
            return ("-" if seconds < 0 else "") + str(int(abs(seconds) // unit)).rjust(len(text), "0")
        case "date" if text[0] == "m" and _is_minutes(tokens, at):
            return str(moment.minute).rjust(min(len(text), 2), "0")
        case "date":
            return _field(text, moment, is_noon)
    return ""


def _is_minutes(tokens: Sequence[_Token], at: int) -> bool:
    before = next((t for t in reversed(tokens[:at]) if t.kind in {"date", "elapsed"}), None)
    after = next((t for t in tokens[at + 1 :] if t.kind in {"date", "elapsed"}), None)
    return bool((before and before.text[0].lower() == "h") or (after and after.text[0].lower() == "s"))


def _field(text: str, moment: datetime, is_noon: bool) -> str:  # noqa: FBT001 - internal
    width = len(text)
    hour = (moment.hour % 12 or 12) if is_noon else moment.hour
    month, day = _MONTHS[moment.month - 1], _DAYS[moment.weekday()]
    names = {"mmm": month[:3], "mmmm": month, "mmmmm": month[0], "ddd": day[:3], "dddd": day}
    if text in names:
        return names[text]
    if text.startswith("s"):
        _, _, places = text.partition(".")
        part = f".{moment.microsecond:06d}"[: 1 + len(places)] if places else ""
        return str(moment.second).rjust(min(width - len(places) - bool(places), 2), "0") + part
    if text[0] in "ye":
        return f"{moment.year:04d}"[-2 if text in {"y", "yy"} else 0 :]
    number = {"m": moment.month, "d": moment.day, "h": hour}.get(text[0])
    return "" if number is None else str(number).rjust(min(width, 2), "0")
