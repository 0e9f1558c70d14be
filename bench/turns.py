"""One server's turn: a closed loop of one shape, and the figures that follow from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bench.answers import Answer, counted, percentile, rate, steady
from bench.load import Closed, Generator, Request, Run
from bench.metrics import COMPUTE, QUEUE, Samples, difference, mean, padding_waste, scrape
from bench.serving import Served
from bench.shapes import Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What a turn measured."""

    tokens_per_s: float
    """Real tokens of good answers."""
    counted: int
    """Answers on which that rests."""
    goodput: float
    """Requests per second that were answered within their deadline."""
    latencies_ms: Sequence[float]
    queue_ms: Sequence[float]
    """Of each request, as the server says."""
    failed: int
    generator_cores: float
    happened: Samples = field(default_factory=dict)
    """Differences of the service's metrics."""

    def latency_ms(self, percent: float) -> float:
        """A percentile of the latency."""
        return percentile(self.latencies_ms, percent)

    @property
    def padding_percent(self) -> float | None:
        """Padding waste, where the server tells."""
        waste = padding_waste(self.happened)
        return None if waste is None else waste * 100

    @property
    def mean_queue_ms(self) -> float | None:
        """Mean wait of an item, where the server tells."""
        return _milliseconds(mean(self.happened, QUEUE))

    @property
    def mean_compute_ms(self) -> float | None:
        """Mean time of a batch, where the server tells."""
        return _milliseconds(mean(self.happened, COMPUTE))


@dataclass(frozen=True, slots=True, kw_only=True)
class Turns:
    """Gives servers their turns, one at a time.

    Args:
        generator: of the load.
        seconds: length of a turn.
        deadline_ms: of each request.
    """

    generator: Generator
    seconds: float
    deadline_ms: int

    def take(self, served: Served, requests: Sequence[Request], shape: Shape, warm_up: Callable[[], object]) -> Turn:
        """One turn; the server runs for its time only.

        Raises:
            SystemExit: too few answers came for a rate.
        """
        target = served.target("embed", X_Request_Timeout_Ms=str(self.deadline_ms))
        url = served.metrics_urls.get("embedding")
        with served.awake(warm_up):
            before = scrape(url) if url else {}
            run = self.generator.closed(target, requests, Closed(callers=shape.callers, duration_s=self.seconds))
            after = scrape(url) if url else {}
        deadline_s, happened = self.deadline_ms / 1e3, difference(before, after)
        try:
            return summary(run, requests, shape, deadline_s=deadline_s, happened=happened)
        except SystemExit as problem:
            raise SystemExit(f"{served.name}, {shape}: {problem}") from problem


def summary(run: Run, requests: Sequence[Request], shape: Shape, *, deadline_s: float, happened: Samples) -> Turn:
    """The figures of a closed loop."""

    def tokens(answer: Answer) -> float:
        return requests[answer.number].tokens

    def in_time(answer: Answer) -> float:
        return float(answer.latency_s <= deadline_s)

    good = steady(run.answers, callers=shape.callers)
    span_s = max(answer.done_s for answer in run.answers) - run.answers[0].sent_s
    return Turn(
        tokens_per_s=rate(run.answers, tokens, callers=shape.callers),
        counted=len(counted(run.answers, callers=shape.callers)),
        goodput=rate(run.answers, in_time, callers=shape.callers),
        latencies_ms=[answer.latency_s * 1e3 for answer in good],
        queue_ms=[answer.timings_s["queue"] * 1e3 for answer in good if "queue" in answer.timings_s],
        failed=sum(not answer.is_ok for answer in run.answers),
        generator_cores=run.cpu_s / span_s,
        happened=happened,
    )


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1e3
