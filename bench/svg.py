"""Bars as SVG: plain text, readable on any background."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _LABELS, _VALUES = 820, 230, 120
_ROW, _BAR, _GAP, _TOP = 24, 15, 34, 56
_OURS, _THEIRS, _INK, _FAINT = "#2563eb", "#9ca3af", "#111827", "#6b7280"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One measured value and its range."""

    label: str
    value: float
    low: float
    high: float
    is_ours: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Bars that are compared."""

    title: str
    bars: Sequence[Bar]


def chart(title: str, subtitle: str, groups: Sequence[Group]) -> str:
    """An SVG document; all bars have one scale, from zero.

    Args:
        title: what is shown.
        subtitle: unit, machine, how it was measured.
        groups: from top to bottom.
    """
    height = _TOP + sum(_GAP + _ROW * len(group.bars) for group in groups) + 12
    most = max((bar.high for group in groups for bar in group.bars), default=0.0) or 1.0
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
            f'font-family="system-ui, sans-serif" role="img" aria-label="{escape(title)}">',
            f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
            _text(16, 26, title, size=17, weight=600),
            _text(16, 46, subtitle, size=12, color=_FAINT),
            *_groups(groups, most),
            "</svg>\n",
        ]
    )


def _groups(groups: Sequence[Group], most: float) -> Iterator[str]:
    top = _TOP
    for group in groups:
        yield _text(16, top + 22, group.title, size=13, weight=600)
        top += _GAP
        for bar in group.bars:
            yield from _bar(bar, top, most)
            top += _ROW


def _bar(bar: Bar, top: int, most: float) -> Iterator[str]:
    scale = (_WIDTH - _LABELS - _VALUES) / most
    middle = top + _BAR / 2
    yield _text(_LABELS - 8, top + 12, bar.label, size=12, anchor="end")
    color = _OURS if bar.is_ours else _THEIRS
    yield f'<rect x="{_LABELS}" y="{top}" width="{bar.value * scale:.1f}" height="{_BAR}" fill="{color}"/>'
    low, high = (_LABELS + end * scale for end in (bar.low, bar.high))
    yield f'<path d="M{low:.1f} {middle}H{high:.1f}" stroke="{_INK}" stroke-width="1.5"/>'
    yield _text(high + 8, top + 12, _number(bar.value), size=12)


def _text(
    x: float, y: float, text: str, *, size: int, weight: int = 400, color: str = _INK, anchor: str = "start"
) -> str:
    style = f'font-size="{size}" font-weight="{weight}" fill="{color}" text-anchor="{anchor}"'
    return f'<text x="{x:.1f}" y="{y}" {style}>{escape(text)}</text>'


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
