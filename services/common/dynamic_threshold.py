"""Room of which nobody gets all: one may have so many times what it leaves free (Choudhury and Hahne 1998).

With factor 4 the first of those that want all of 1,000 gets 800, the next 160, the one after it 32: whoever comes next
finds some, and one that is alone gets most.
"""

from __future__ import annotations


def most_more(own: float, free: float, *, factor: float) -> float:
    """What one that has `own` may take more; below 0 where it has more than it may.

    From own + more <= factor * (free - more): with 100 of 1,000 its own, 500 free and factor 4 these are
    (4 x 500 - 100) / (4 + 1) = 380.
    """
    return (factor * free - own) / (factor + 1)


def lacking(more: float, own: float, free: float, *, factor: float) -> float:
    """What must become free before one that has `own` may take so much more; up to 0 when it may now.

    The same inequality: with 700 of 1,000 taken, none of them its own, a request of 300 needs
    (0 + 300) / 4 - (300 - 300) = 75.
    """
    return (own + more) / factor - (free - more)
