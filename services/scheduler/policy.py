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
    326 ms beside one who always waits, at 0.1 s 433, at 0 s 539. More lets those that always wait for longer: beside 20
    large visits at once 9.1 s, at 0.4 s 13.3."""
    bulk_floor: float = 0.1
    """Bulk work's part of what is computed while interactive work waits too: 1 token of 10. Beside interactive work of
    twice the peak it gets 11 %, without a floor 1.3 %."""
    newcomer_pace: float = 0.5
    """How fast the common virtual time runs by itself, in parts of a fair share. At 1.0 newcomers lose their head start
    to what newcomers before them had: a client with a tenth of the peak beside 5 floods has a p99 of 463 ms in place of
    48. At 0.5 one who waits beside endless newcomers has half its part, 18 % of the tokens, at 0 1.1 %."""
    client_factor: float = 4.0
    """A client may have so many times waiting what it leaves free, so that there is room for every next one (dynamic
    thresholds, Choudhury and Hahne 1998): of 1,000 the first may have 800, the next 160, the one after it 32. At 8 the
    next one gets 27 % of its requests of an eighth of the queue, at 4 all."""
    origin_factor: float = 16.0
    """The same for all clients of one origin together, who may call themselves what they like: 941 of 1,000. Without it
    a client beside 50 names of one origin gets 45 % of its requests."""
    bulk_room: float = 0.5
    """Part of the queue that bulk work may fill; the rest is for interactive work alone. At 1.0 that gets 9 % of its
    requests of an eighth of the queue."""
    most_idle: int = 4096
    """Clients without work, of each class, whose virtual time is remembered, of some 1 KB each: who is forgotten owes
    nothing. With 0 a client beside one that comes and goes among names that come once gets 37 % in place of 41, with
    256 as much as with 65,536."""

    # Batches
    overhead: float = 0.01
    """Part of a batch's time that its fixed cost should be at most, where the longest batch allows it: a larger batch
    gains nothing more. At 0.02 a model that takes 18 ms for a text does 1.4 % fewer a second, at 0.05 4 %."""
    longest_s: float = 0.1
    """Longest batch while one client alone sends work. At 0.025 a model that takes 18 ms for a text of 64 tokens does
    4 % fewer of them a second, as each then has a batch of its own."""
    longest_contended_s: float = 0.025
    """The same while several do: whoever asks for little waits for so much of another's work. One with a single text
    beside one who always waits has a p99 of 36 ms, at 0.05 s 61, at 0.0125 s 21 with 2 % fewer tokens a second."""
    contended_s: float = 10.0
    """Several do for so long after two clients sent work: shorter than a pause between two questions of a person, a
    model would be given up to long batches each time. At 1 s the p99 above is 55 ms."""
    fill_overhead: float = 0.10
    """As `overhead`, for items of clients whose turn it is not: more of them gain less than they cost who waits. At
    0.05 a rare text beside a large model waits 604 ms in place of 226."""
    least_tokens: int = 64
    """Batches may always be so large. At 128 a quiet client beside five floods has a p99 of 71 ms in place of 48."""
    padding_overhead: float = 0.5
    """Part of a batch's fixed cost that may go into padding to save that batch; not all, as the estimate is rough. On a
    GPU 32 x 4 get 45 % of its tokens, without padding 8 %; 32 clients 32 %, at 1.0 29."""
    memory_near: float = 0.8
    """Part of a limit that the device's memory set which a batch must have for it to grow: small ones say nothing. On a
    GPU whose memory stays short a short text's p99 is 15 ms, at 0 27; at 0.95 requests of 4,096 tokens have a median of
    36 ms in place of 29, as the limit stays low."""
    memory_regrowth: float = 1.05
    """Such a limit grows by 5 % with each batch that nearly reaches it, and is twice as large after 15: who took the
    memory may have gone. After 1 s of 5 a GPU gives 41 % of its tokens, 31 % if none grew."""

    # Time
    margin: float = 2.0
    """What is before a request may take so many times as long as predicted. Where something else takes the cores for
    0.2 s twice a second, five times the peak gives 68 % of it and computes 0.8 % for nothing, with 1.1 64 and 6.7 %; at
    3 12 % of bursts are refused that would be in time."""
    doubt_s: float = 5.0
    """A speed that was not worked out anew for so long is doubted: the machine may have been busy when it was learned,
    and a model that refuses everything would never learn again. Warmed up ten times too slowly it answers 92 % of what
    it can, without doubt nothing."""
    doubt_factor: float = 3.0
    """How many times too slow a doubted speed may be. With 1 s left an idle model takes what should need 3 s, and what
    it took is not dropped for being late before that."""

    # Learning the speed
    forget: float = 0.98
    """Weight that a batch keeps at each new one: about the last 1 / (1 - 0.98) = 50 count. At 0.9 noise makes 3.9 % be
    computed for nothing in place of 0.8."""
    most_surprise: float = 3.0
    """What took longer than so many times its prediction counts no more: the machine stood still, the model is not
    slower. A lasting change is still learned within some dozens of batches. Such a batch is learned from at once: at
    1.5, which counts for too little, batches after a night of short texts take 239 ms in place of 84."""
    settled: int = 10
    """Batches before `most_surprise` applies: the first predictions are too rough for it. At 20 a model that was warmed
    up ten times too slowly answers 76 % of what it can, at 10 92 %."""
    solve_every: int = 8
    """Batches between two solutions, once settled: one takes as long as ten batches' other bookkeeping."""
