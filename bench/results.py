"""All turns of a comparison, and the table that follows from them: medians, ranges, and ratios of the same round."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from bench.answers import percentile
from bench.report import Figure
from bench.shapes import Shape
from bench.turns import Turn

ISOLANE = "isolane"


class Cell(NamedTuple):
    """Where a figure belongs."""

    mix: str
    shape: Shape
    system: str


class Results:
    """Collects turns, system by system, and compares those of the same round."""

    def __init__(self) -> None:
        self._turns: dict[Cell, list[Turn]] = defaultdict(list)
        self._rates: dict[Cell, list[float]] = defaultdict(list)
        self._forward: dict[Cell, list[float]] = defaultdict(list)

    def add(self, mix: str, shape: Shape, system: str, turn: Turn) -> None:
        """A server's turn."""
        self._turns[Cell(mix, shape, system)].append(turn)
        self.add_rate(mix, shape, system, turn.tokens_per_s)

    def add_rate(self, mix: str, shape: Shape, system: str, tokens_per_s: float) -> None:
        """What something without a server did in its turn."""
        self._rates[Cell(mix, shape, system)].append(tokens_per_s)

    def add_forward(self, mix: str, shape: Shape, system: str, seconds: Sequence[float]) -> None:
        """Forward times of single texts in process; their p50 counts."""
        self._forward[Cell(mix, shape, system)].append(percentile(seconds, 50) * 1e3)

    def figures(self) -> list[Figure]:
        """The table."""
        groups = dict.fromkeys((cell.mix, cell.shape) for cell in self._rates)
        return [figure for mix, shape in groups for figure in self._group(mix, shape)]

    def _group(self, mix: str, shape: Shape) -> Iterator[Figure]:
        where = f"{mix}, {shape}"
        labels = {"mix": mix, "shape": str(shape)}
        rates = {cell.system: values for cell, values in self._rates.items() if cell[:2] == (mix, shape)}
        for system, values in rates.items():
            yield Figure.of(
                f"{where}: {system}, real tokens", "tokens/s", values, **labels, system=system, metric="throughput"
            )
        failed = self._failed(mix, shape)
        for system, count in failed.items():
            name = f"{where}: {system} is not compared, for requests failed"
            yield Figure.of(name, "requests", [count], **labels, system=system, metric="not compared")
        for name, ratio in ratios(rates, failed.keys()).items():
            yield Figure.of(f"{where}: {name}", "ratio", ratio, **labels, system=name, metric="ratio")
        for cell, turns in self._turns.items():
            if cell[:2] == (mix, shape):
                yield from _of_turns(where, labels, cell.system, turns)
        if ISOLANE not in failed:
            yield from self._added(mix, shape, where, labels, failed.keys())
            yield from self._overhead(mix, shape, where, labels)

    def _failed(self, mix: str, shape: Shape) -> dict[str, int]:
        """How many requests each system failed, of those that failed any."""
        counts = {
            cell.system: sum(turn.failed for turn in turns)
            for cell, turns in self._turns.items()
            if cell[:2] == (mix, shape)
        }
        return {system: count for system, count in counts.items() if count}

    def _added(
        self, mix: str, shape: Shape, where: str, labels: Mapping[str, str], failed: AbstractSet[str]
    ) -> Iterator[Figure]:
        """What a variant of Isolane, such as the mesh, adds to a request."""
        own = self._turns.get(Cell(mix, shape, ISOLANE), ())
        for cell, turns in self._turns.items():
            is_variant = cell.system.startswith(f"{ISOLANE}, ") and cell.system not in failed
            if own and cell[:2] == (mix, shape) and is_variant:
                added = [turn.latency_ms(50) - base.latency_ms(50) for turn, base in zip(turns, own, strict=True)]
                name = f"{where}: {cell.system} - {ISOLANE}, latency p50"
                yield Figure.of(name, "ms", added, **labels, system=cell.system, metric="added")

    def _overhead(self, mix: str, shape: Shape, where: str, labels: Mapping[str, str]) -> Iterator[Figure]:
        turns = self._turns.get(Cell(mix, shape, ISOLANE), ())
        for cell, forward in self._forward.items():
            if cell[:2] == (mix, shape):
                yield Figure.of(f"{where}: {cell.system}, p50", "ms", forward, **labels, metric="forward")
                added = [turn.latency_ms(50) - alone for turn, alone in zip(turns, forward, strict=False)]
                if added:
                    name = f"{where}: added to the forward time, p50"
                    yield Figure.of(name, "ms", added, **labels, metric="overhead")


def ratios(rates: Mapping[str, Sequence[float]], failed: AbstractSet[str] = frozenset()) -> dict[str, list[float]]:
    """Ratios, round by round: of Isolane and its variants to infinity's best engine and to the loop, of these to it.

    Args:
        rates: of each system.
        failed: systems that answered only a part of what they were asked; a ratio with one of them says nothing.
    """
    return {
        name: [ours / max(theirs) for ours, *theirs in zip(rates[above], *map(rates.__getitem__, below), strict=True)]
        for name, above, below in _pairs(rates)
        if failed.isdisjoint((above, *below))
    }


def _pairs(systems: Iterable[str]) -> Iterator[tuple[str, str, Sequence[str]]]:
    """What is compared: a name, a system, and those of which the best is its measure."""
    known = list(systems)
    if ISOLANE not in known:
        return
    engines = [system for system in known if system.startswith("infinity")]
    loops = [system for system in known if system.startswith("sentence-transformers")]
    variants = [system for system in known if system.startswith(f"{ISOLANE}, ")]
    for system in (ISOLANE, *variants):
        if engines:
            yield f"{system} / best of infinity", system, engines
        for loop in loops:
            yield f"{system} / {loop}", system, [loop]
    for system in variants:
        yield f"{system} / isolane", system, [ISOLANE]


def _of_turns(where: str, labels: Mapping[str, str], system: str, turns: Sequence[Turn]) -> Iterator[Figure]:
    columns: dict[str, tuple[str, list[float | None]]] = {
        "latency p50": ("ms", [turn.latency_ms(50) if turn.latencies_ms else None for turn in turns]),
        "latency p99": ("ms", [turn.latency_ms(99) if turn.latencies_ms else None for turn in turns]),
        "answers counted": ("requests", [float(turn.counted) for turn in turns]),
        "answered within the deadline": ("requests/s", [turn.goodput for turn in turns]),
        "queue wait p50": ("ms", [percentile(turn.queue_ms, 50) if turn.queue_ms else None for turn in turns]),
        "queue wait p99": ("ms", [percentile(turn.queue_ms, 99) if turn.queue_ms else None for turn in turns]),
        "queue wait, mean": ("ms", [turn.mean_queue_ms for turn in turns]),
        "compute of a batch, mean": ("ms", [turn.mean_compute_ms for turn in turns]),
        "padding waste": ("%", [turn.padding_percent for turn in turns]),
        "failed or refused": ("requests", [float(turn.failed) for turn in turns]),
        "generator": ("cores", [turn.generator_cores for turn in turns]),
    }
    for name, (unit, values) in columns.items():
        known = [value for value in values if value is not None]
        if known:
            yield Figure.of(f"{where}: {system}, {name}", unit, known, **labels, system=system, metric=name)
