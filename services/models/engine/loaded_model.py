"""One loaded model: its backend, its batcher, and how texts become work for them."""

from __future__ import annotations

import contextlib
import hashlib
import math
import random
import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise, product
from typing import Generic, TypeVar

from services.common.caller import Caller
from services.common.deadline import Deadline
from services.common.errors import RequestError
from services.common.reply import Backlog
from services.models.backend import ModelBackend
from services.models.batching.batcher import Batcher
from services.models.batching.cache import ResultCache
from services.models.batching.call import Computed
from services.models.batching.metrics import ModelMetrics
from services.models.engine.inputs import Checked, InputT
from services.models.engine.threads import FairThreads
from services.models.models import Item, ModelInfo, Tokens
from services.models.settings import ModelServerSettings
from services.scheduler.work import Work

BackendT = TypeVar("BackendT", bound=ModelBackend)

Ready = Work | RequestError
"""One item of a request with its key, or why it is not computed."""

_COUNTED_BYTES = 1 << 13
"""Smaller requests are tokenised before it is asked whether there is room: it takes 1.6 ms at most (0.2 us for a byte),
and what is kept from before is never refused."""
_BYTES_PER_TOKEN, _LEAST_BYTES_PER_TOKEN, _MOST_BYTES_PER_TOKEN = 4.0, 1.0, 16.0
"""Assumed at first, and what is believed of a request."""
_PER_TEXT_BYTES = 32
"""A text costs as much as so many bytes more: 6 us before its first byte, and 0.2 us for each (measured)."""
_DECAY = 0.05
"""Weight of the newest request in the mean."""
_CAUTION = 0.5
"""Part of the expected tokens by which a request is refused before they are counted."""
_WARM_UP_S = 0.5
_WARM_UP_WORDS = (6, 30, 120)
_WARM_UP_ITEMS = (1, 4, 16, 64)


class LoadedModel(Generic[BackendT]):
    """A loaded model behind its batcher; `run` it supervised.

    Args:
        backend: the model; closed by this object.
        settings: budgets.
        cache: results from before, of all loaded_models.
        metrics: of this model.
        threads: where texts are tokenised.
    """

    def __init__(
        self,
        backend: BackendT,
        settings: ModelServerSettings,
        *,
        cache: ResultCache,
        metrics: ModelMetrics,
        threads: FairThreads,
    ) -> None:
        self.backend = backend
        self._metrics = metrics
        self._cache = cache
        self._threads = threads
        self._is_per_client = settings.cache_scope == "client"
        self._salt = _digest(repr(backend.model).encode())
        self._bytes_per_token = _BYTES_PER_TOKEN
        self._batcher = Batcher(
            backend,
            max_batch_tokens=settings.max_batch_tokens,
            max_queued_tokens=settings.max_queued_tokens,
            cache=cache,
            metrics=metrics,
        )
        metrics.follow(lambda: self._batcher.backlog().queued_cost)

    @property
    def model(self) -> ModelInfo:
        """What the model is."""
        return self.backend.model

    def backlog(self) -> Backlog:
        """Work that waits for it."""
        return self._batcher.backlog()

    @property
    def thousand_tokens_s(self) -> float:
        """Predicted time of one batch of 1,000 tokens in eight items. Unit: seconds."""
        return self._batcher.speed.seconds(tokens=1000, items=8)

    async def compute(
        self,
        checked: Checked[InputT],
        make: Callable[[Checked[InputT]], list[Item]],
        caller: Caller,
        deadline: Deadline,
    ) -> Computed:
        """Tokenise texts and compute the items that can be; see `tokenize` and `Batcher.submit`."""
        started_s = time.monotonic()
        items = await self.tokenize(checked, make, caller, deadline)
        tokenize_us = round((time.monotonic() - started_s) * 1e6)
        computed = await self._batcher.submit(items, caller, deadline)
        return replace(computed, timings=replace(computed.timings, tokenize_us=tokenize_us))

    async def tokenize(
        self,
        checked: Checked[InputT],
        make: Callable[[Checked[InputT]], list[Item]],
        caller: Caller,
        deadline: Deadline,
    ) -> list[Ready]:
        """Turn texts into work on a thread, unless they would be refused anyway.

        Args:
            checked: the texts, with the bytes that are tokenised of each.
            make: tokenises them, or some of them; blocking. What it made last is the request's.
            caller: who asks.
            deadline: when the caller stops waiting.

        Raises:
            Overloaded, TooLarge, DeadlineTooShort, DeadlineExceeded, Unavailable: see `Batcher.reserve`.
        """
        size = sum(checked.sizes)
        least = self._least_cost(checked.sizes) if size > _COUNTED_BYTES else 0
        if least and self._batcher.is_refused(least, caller, deadline):
            least = math.ceil(least * await self._new_share(checked, make, caller))
        with self._batcher.reserve(least, caller, deadline) if least else contextlib.nullcontext():
            items = await self._on_thread(checked, make, caller)
        self._learn(size, items)
        return items

    async def _new_share(
        self, checked: Checked[InputT], make: Callable[[Checked[InputT]], list[Item]], caller: Caller
    ) -> float:
        """The part of a request that would be computed, by a sample of its texts: what costs nothing is never refused.

        Of 2,048 texts of 256 bytes 32 are tokenised, in 1.8 ms; of 32 of which 24 are kept and 2 are equal the part is
        7 / 32, so that 0.22 of the request is taken for new. 1 where no text is small enough for a sample.
        """
        places = random.sample(range(len(checked.sizes)), len(checked.sizes))  # nobody can tell which
        sizes, chosen, left = checked.sizes, list[int](), _COUNTED_BYTES
        for place in places:
            if sizes[place] <= left:
                chosen.append(place)
                left -= sizes[place] + _PER_TEXT_BYTES
        sample = checked.some(chosen)
        works = [item for item in await self._on_thread(sample, make, caller) if isinstance(item, Work)]
        cost = sum(work.cost for work in works)
        return self._batcher.new_cost(works) / cost if cost else 1.0

    async def _on_thread(
        self, checked: Checked[InputT], make: Callable[[Checked[InputT]], list[Item]], caller: Caller
    ) -> list[Ready]:
        size = sum(checked.sizes) + _PER_TEXT_BYTES * len(checked.sizes)
        return await self._threads.run(lambda: self._work(make(checked), caller), caller=caller, size=size)

    def warm_up(self, example: Callable[[int], Tokens]) -> None:
        """Compute batches of several shapes, so that the first request is as fast as the second; blocking.

        Args:
            example: makes an input of about so many words.
        """
        self._batcher.warm_up(_warm_up_batches(example))

    async def run(self) -> None:
        """Compute until cancelled or unloaded: see `Batcher.run`."""
        await self._batcher.run()

    async def unload(self) -> None:
        """Finish what is there, and free the model."""
        await self._batcher.drain()
        self._metrics.forget()
        self._cache.drop_prefix(self._salt)
        self.backend.close()

    def _work(self, items: Sequence[Item], caller: Caller) -> list[Ready]:
        salt = self._salt + (_digest(caller.client.encode()) if self._is_per_client else b"")
        return [
            item if isinstance(item, RequestError) else Work(payload=item, cost=len(item.ids), key=_key(salt, item))
            for item in items
        ]

    def _least_cost(self, sizes: Sequence[int]) -> int:
        """Tokens that texts of those sizes have at least, most probably: of 400 bytes 1 + 0.5 x 400 / 4 = 51."""
        most = self.model.max_tokens
        return sum(min(most, 1 + int(_CAUTION * size / self._bytes_per_token)) for size in sizes)

    def _learn(self, size: int, items: Sequence[Ready]) -> None:
        """Take note of texts of `size` bytes together."""
        if tokens := sum(item.cost + item.payload.dropped for item in items if isinstance(item, Work)):
            ratio = min(_MOST_BYTES_PER_TOKEN, max(_LEAST_BYTES_PER_TOKEN, size / tokens))
            self._bytes_per_token += _DECAY * (ratio - self._bytes_per_token)


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=16).digest()


def _key(salt: bytes, tokens: Tokens) -> bytes:
    """The content's address: same model, same tokens, same key. Prompt and truncation are in the tokens; dimensions and
    number types are taken from the whole result.
    """
    return salt + _digest(array("I", tokens.ids).tobytes() + b"|" + bytes(tokens.type_ids))


def _warm_up_batches(example: Callable[[int], Tokens]) -> Iterator[list[Tokens]]:
    """Batches of growing size, as long as the next is expected to end within half a second from the start."""
    shapes = sorted(product(_WARM_UP_WORDS, _WARM_UP_ITEMS), key=lambda shape: shape[0] * shape[1])
    ends_s = time.monotonic() + _WARM_UP_S
    for (words, items), (next_words, next_items) in pairwise([*shapes, (0, 0)]):
        began_s = time.monotonic()
        yield [example(words)] * items
        now_s = time.monotonic()
        if now_s + (now_s - began_s) * next_words * next_items / (words * items) > ends_s:
            return
