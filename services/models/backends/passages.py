"""Cutting a document that is too long for one input into passages."""

from __future__ import annotations

from collections.abc import Sequence

_OVERLAP_SHARE, _MOST_OVERLAP = 8, 32
"""Neighbours share an eighth of a passage, at most 32 tokens: a sentence at the seam is whole in one of them."""


def passages(length: int, *, room: int, most: int) -> list[range]:
    """Where the passages of a document lie, in order; each but the last fills the room.

    Args:
        length: of the document. Unit: tokens.
        room: longest passage, 1 or more. Unit: tokens.
        most: number of passages at which the rest is left out, 1 or more.
    """
    step = room - min(_MOST_OVERLAP, room // _OVERLAP_SHARE)
    needed = 1 + max(0, -(-(length - room) // step))
    return [range(start, min(start + room, length)) for start in range(0, step * min(needed, most), step)]


def covered(found: Sequence[range]) -> int:
    """Tokens of the document that lie in a passage, each counted once."""
    return found[-1].stop
