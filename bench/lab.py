"""Loads on the embedding API that show how it behaves, rather than how fast its model is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench.answers import rate, require_good
from bench.calls import post
from bench.load import Closed, Generator, Open, Request
from bench.refusals import Overload
from bench.report import say
from bench.serving import Served
from bench.shapes import embed_body
from bench.texts import Texts

FIXED_COST = {"EMBEDDING_BACKEND": "fake", "EMBEDDING_FAKE_TOKEN_US": "270", "EMBEDDING_FAKE_BATCH_US": "1000"}
"""A text of 57 words takes the fake backend about 16 ms: gateway and generator can do more than ten times as much."""
OTHERS = {"RERANKING_BACKEND": "fake", "DOCUMENTS_BACKEND": "fake"}

_CALLERS = 32
_TEXTS_PER_S = 600
"""More than the engines here answer in a second."""
_WARM_S = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Lab:
    """What the loads need."""

    generator: Generator
    texts: Texts
    seconds: float
    deadline_ms: int

    @property
    def headers(self) -> dict[str, str]:
        """Of each request."""
        return {"X_Request_Timeout_Ms": str(self.deadline_ms)}

    def requests(self, count: float) -> list[Request]:
        """So many unique texts of about 64 tokens, one in each request, and some to spare."""
        return [Request(body=embed_body([text]), tokens=64) for text in self.texts.equal(int(count * 1.05) + 20)]

    def peak(self, served: Served) -> float:
        """Answers per second to a closed loop.

        Raises:
            SystemExit: a request failed; a peak that is too low makes all loads too small.
        """
        load = Closed(callers=_CALLERS, duration_s=self.seconds)
        run = self.generator.closed(served.target("embed"), self.requests(_TEXTS_PER_S * self.seconds), load)
        require_good(run.answers, f"{served.name}, at its peak")
        return rate(run.answers, lambda _answer: 1.0, callers=_CALLERS)

    def load(
        self, served: Served, offered: float, *, seconds: float | None = None, **headers: str
    ) -> Callable[[], Overload]:
        """An open loop, ready to be sent by calling it.

        Args:
            served: where to.
            offered: requests per second.
            seconds: how long, if not as long as all.
            headers: of each request, besides the usual ones; underscores stand for dashes.
        """
        load = Open(rate=offered, duration_s=self.seconds if seconds is None else seconds)
        target = served.target("embed", **self.headers, **headers)
        requests = self.requests(load.requests)

        def send() -> Overload:
            _, schedule = self.generator.open(target, requests, load)
            found = Overload(schedule=schedule, deadline_s=self.deadline_ms / 1e3)
            say(f"  {offered:.1f} requests/s for {load.duration_s:g} s: {found.outcome}")
            return found

        return send

    def warm_up(self, served: Served) -> None:
        """Connections, and what the server learns of its own speed."""
        post(served.target("embed").url, embed_body(self.texts.equal(32)))
        load = Closed(callers=_CALLERS, duration_s=min(_WARM_S, self.seconds))
        self.generator.closed(served.target("embed"), self.requests(_TEXTS_PER_S * load.duration_s), load)
