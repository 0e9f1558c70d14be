"""Indices: small raised and lowered digits."""

from __future__ import annotations

from collections.abc import Sequence

from services.documents.backends.reading.pdf.letters import Letter

SMALL = 0.85
_RAISED = 0.2
_LOWERED = 0.08
"""Of the height of a line: the type of indices, how far their baselines are above or below its own."""
_SUPER = str.maketrans("0123456789+-−=()n", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁼⁽⁾ⁿ")
_SUB = str.maketrans("0123456789+-−=()", "₀₁₂₃₄₅₆₇₈₉₊₋₋₌₍₎")


def with_indices(pieces: Sequence[Letter]) -> list[Letter]:
    """Small raised and lowered digits as the signs that stand for them: 10⁵, H₂O; `105` would be another number."""
    inked = [piece for piece in pieces if piece.text != " "]
    main = max(inked, key=lambda piece: piece.height, default=None)
    if main is None or all(piece.height > SMALL * main.height for piece in inked):
        return list(pieces)
    usual = [piece for piece in inked if piece.height > SMALL * main.height]
    baseline = sorted(piece.bottom - 0.25 * piece.height for piece in usual)[len(usual) // 2]
    read = [_script(piece, baseline, main.height) for piece in pieces]
    return [_unless_alone(read, pieces, at) for at in range(len(read))]


def _unless_alone(read: Sequence[Letter], pieces: Sequence[Letter], at: int) -> Letter:
    """A raised or lowered sign where it is beside a digit that is so too; else it is what it was, maybe a dash."""
    if read[at].text == pieces[at].text or pieces[at].text.isalnum():
        return read[at]
    beside = [near for near in (at - 1, at + 1) if 0 <= near < len(read) and pieces[near].text.isdigit()]
    return read[at] if any(read[near].text != pieces[near].text for near in beside) else pieces[at]


def _script(piece: Letter, baseline: float, height: float) -> Letter:
    if piece.height > SMALL * height or piece.text == " ":
        return piece
    rise = baseline - (piece.bottom - 0.25 * piece.height)
    if rise > _RAISED * height:
        return piece._replace(text=piece.text.translate(_SUPER))
    return piece._replace(text=piece.text.translate(_SUB)) if rise < -_LOWERED * height else piece
