"""Every tuned number of the scheduler, with its unit, what it trades and what chose it.

`just bench scheduling` measures each of them against its neighbours; docs/batching.md has the table.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How clients share a model. Unit of sizes: tokens, unless a name ends otherwise."""

    # Sharing
    quantum_s: float = 0.2
    """Head start of one who was idle, in work of the model. A visit of 50 pairs, which take 0.27 s, has a median of
    322 ms beside one who always waits, at 0.1 s 427, at 0 s 532. More lets those that always wait for longer."""
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
    """Part of a batch's time that its fixed cost should be at most, where the longest batch allows it: a larger batch
    gains nothing more. At 0.05 1.2 % of the tokens a second are lost."""
    longest_s: float = 0.1
    """Longest batch while one client alone sends work. At 0.025 a model that takes 18 ms for a text of 64 tokens does
    4 % fewer of them a second, as each then has a batch of its own."""
    longest_contended_s: float = 0.025
    """The same while several do: whoever asks for little waits for so much of another's work. One with a single text
    beside one who always waits has a p99 of 35 ms, at 0.05 s 61, at 0.0125 s 21 with 2 % fewer tokens a second."""
    contended_s: float = 10.0
    """Several do for so long after two clients sent work: shorter than a pause between two questions of a person, a
    model would be given up to long batches each time."""
    fill_overhead: float = 0.10
    """As `overhead`, for items of clients whose turn it is not: more of them gain less than they cost who waits. At
    0.01 a client beside five floods has a p99 of 188 ms in place of 51."""
    least_tokens: int = 64
    """Batches may always be so large."""
    padding_overhead: float = 0.5
    """Part of a batch's fixed cost that may go into padding to save that batch; not all, as the estimate is rough."""
    padding_share: float = 0.02
    """Padding that is accepted in any case, as a part of a batch's own tokens: at 0.04 twice as much is padding, at
    0.08 1.5 % of the tokens a second are lost."""
    memory_regrowth: float = 1.05
    """A limit that the device's memory set grows by 5 % with each batch that nearly reaches it, and is twice as large
    after 15: who took the memory may have gone."""

    # Time
    margin: float = 2.0
    """What is before a request may take so many times as long as predicted. With it the goodput of twice the peak is
    99 % of the peak where batches take what they should, and 72 % where something else takes the cores for 0.2 s twice
    a second; with 1.1 it is 99 and 36 %, with 1.5 99 and 63 %, with 1.0 74 and 32 %."""
    doubt_s: float = 5.0
    """A speed that was not worked out anew for so long is doubted: the machine may have been busy when it was learned,
    and a model that refuses everything would never learn again."""
    doubt_factor: float = 3.0
    """How many times too slow a doubted speed may be. With 1 s left an idle model takes what should need 3 s, and what
    it took is not dropped for being late before that."""

    # Learning the speed
    forget: float = 0.98
    """Weight that a batch keeps at each new one: about the last 1 / (1 - 0.98) = 50 count."""
    most_surprise: float = 3.0
    """What took longer than so many times its prediction counts no more: the machine stood still, the model is not
    slower. A lasting change is still learned within some dozens of batches."""
    settled: int = 10
    """Batches before `most_surprise` applies: the first predictions are too rough for it."""
    solve_every: int = 8
    """Batches between two solutions, once settled: one takes as long as ten batches' other bookkeeping."""
