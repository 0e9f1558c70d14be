"""Every tuned number of the scheduler, with its unit, what it trades and what chose it.

`just bench scheduling` measures each of them against its neighbours; docs/batching.md has the table.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How clients share a model. Unit of sizes: tokens, unless a name ends otherwise."""

    # Sharing
    quantum_s: float = 0.1
    """Work that a client may have computed before its turn ends, and that one who was idle gets ahead of the others.
    More lets one request end sooner, less lets others wait for less: a reranking of 50 passages is about 0.3 s."""
    bulk_floor: float = 0.1
    """Bulk work's part of what is computed while interactive work waits too: 1 token of 10. Without a floor a stream of
    interactive work would starve it for ever."""
    newcomer_pace: float = 0.5
    """How fast the common virtual time runs by itself, in parts of a fair share. At 1.0 newcomers lose their head start
    to what newcomers before them had: a client with a tenth of the peak beside 5 floods waits 605 ms at the 99th
    percentile, at 0.5 it waits 131 ms, alone 36. At 0.5 one who waits beside endless newcomers has half its part."""
    client_factor: float = 4.0
    """A client may have so many times waiting what it leaves free, so that there is room for every next one (dynamic
    thresholds, Choudhury and Hahne 1998): of 1,000 the first may have 800, the next 160, the one after it 32."""
    origin_factor: float = 16.0
    """The same for all clients of one origin together, who may call themselves what they like: 941 of 1,000."""
    bulk_room: float = 0.5
    """Part of the queue that bulk work may fill; the rest is for interactive work alone."""

    # Batches
    overhead: float = 0.01
    """Part of a batch's time that its fixed cost should be at most: a larger batch gains nothing more."""
    fill_overhead: float = 0.10
    """The same for items of clients whose turn it is not: more of them gain less than they cost the one who waits."""
    longest_s: float = 0.1
    """Longest batch while one client alone sends work, where the fixed cost allows it."""
    longest_shared_s: float = 0.025
    """The same while several do: who asks for little waits for so much of another's work."""
    shared_s: float = 10.0
    """A model counts as shared for so long after two clients sent work to it."""
    least_tokens: int = 64
    """Batches may always be so large."""
    padding_overhead: float = 0.5
    """Part of a batch's fixed cost that may go into padding to save that batch; not all, as the estimate is rough."""
    padding_share: float = 0.04
    """Padding that is accepted in any case, as a part of a batch's own tokens."""
    memory_regrowth: float = 1.05
    """A limit that the device's memory set grows so with each batch that nearly reaches it: who took the memory may
    have gone."""

    # Time
    least_margin: float = 1.1
    most_margin: float = 2.0
    """A prediction is multiplied by a margin between these two before it is compared with a deadline."""
    margin_up: float = 1.02
    margin_down: float = 0.9995
    """The margin's steps. They balance where one in ln 1.02 / -ln 0.9995 = 40 takes longer than predicted times the
    margin: the margin follows the 97.5th percentile of what requests took over what was predicted."""
    doubt_s: float = 5.0
    doubt: float = 3.0
    """A speed that no batch has confirmed for so long may be so many times too slow: the machine may have been busy
    when it was learned. What needs more than 3 x the time that is left is refused all the same."""

    # Learning the speed
    forget: float = 0.98
    """Weight that a batch keeps at each new one: about the last 1 / (1 - 0.98) = 50 count."""
    pull: float = 0.02
    """How strongly the solution is held where it was, which decides what equal batches leave open."""
    most_surprise: float = 3.0
    """What took longer than so many times its prediction counts no more: the machine stood still, the model is not
    slower. A lasting change is still learned within some dozens of batches."""
    settled: int = 10
    """Batches before predictions are worth that."""
    solve_every: int = 8
    """Batches between two solutions, once settled: one takes as long as ten batches' other bookkeeping."""
