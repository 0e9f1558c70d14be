"""How well scans are read: 30 made ones of known text.

just bench scans                # all
just bench scans --only 3 7     # these, by number
just bench scans --write FOLDER # the files, and what came of them
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.report import Figure, parser, publish, say
from bench.scans.samples import Sample, samples
from bench.scans.scoring import Score, score
from services.documents.backends.base import Output
from services.documents.backends.engines.local import LocalEngines
from services.documents.backends.reading.pdf.reader import read
from services.documents.backends.reading.reader import Report, Source
from services.documents.backends.reading.rendering import render

_SEED = 14
_BAR = 0.03


class Timed:
    """Engines that note how long each kind of call took, and the longest one."""

    def __init__(self, engines: LocalEngines) -> None:
        self._engines = engines
        self.spent_s: dict[str, float] = defaultdict(float)
        self.longest_s: dict[str, float] = defaultdict(float)

    def __getattr__(self, name: str) -> Callable[..., object]:
        call = getattr(self._engines, name)

        def timed(*arguments: object) -> object:
            start = time.perf_counter()
            result = call(*arguments)
            took_s = time.perf_counter() - start
            self.spent_s[name] += took_s
            self.longest_s[name] = max(self.longest_s[name], took_s)
            return result

        return timed


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What became of a scan."""

    score: Score
    seconds: float
    stages_s: Mapping[str, float]
    text: str
    problems: list[str]


def main() -> int:
    """Run the command line; 1 when the bar is missed."""
    arguments = _arguments()
    engines = Timed(LocalEngines(threads=1))
    readings = []
    for number, sample in enumerate(samples(_SEED), start=1):
        if arguments.only and number not in arguments.only:
            continue
        reading = _read(sample, engines)
        readings.append(reading)
        say(_row(number, sample, reading))
        if arguments.write is not None:
            _write(arguments.write, number, sample, reading)
    longest = ", ".join(f"{name} {spent:.2f}" for name, spent in engines.longest_s.items())
    publish(_figures(readings), arguments.json, notes=[f"longest call of each kind: {longest} s"], seed=_SEED)
    return 0 if statistics.mean(reading.score.error for reading in readings) <= _BAR else 1


def _arguments() -> argparse.Namespace:
    arguments = parser((__doc__ or "").partition("\n")[0])
    arguments.add_argument("--only", type=int, nargs="*", metavar="NUMBER", help="read these only, from 1 on")
    arguments.add_argument("--write", type=Path, metavar="FOLDER", help="write the files and what came of them")
    return arguments.parse_args()


def _read(sample: Sample, engines: Timed) -> Reading:
    engines.spent_s.clear()
    report, start = Report(), time.perf_counter()
    document = read(Source(filename="scan.pdf", data=sample.pdf), report, engines)  # type: ignore[arg-type]
    seconds = time.perf_counter() - start
    text = render(document, Output.TEXT)
    return Reading(
        score=score(sample.words, text.split()),
        seconds=seconds,
        stages_s=dict(engines.spent_s),
        text=text,
        problems=report.problems,
    )


def _row(number: int, sample: Sample, reading: Reading) -> str:
    stages = " ".join(f"{name} {spent:.2f}" for name, spent in reading.stages_s.items())
    figures = f"{reading.score.error:6.1%} of {reading.score.words} words, {reading.seconds:.1f} s ({stages})"
    worst = f"\n       {reading.score.worst}" if reading.score.worst else ""
    problems = "".join(f"\n       {problem}" for problem in reading.problems)
    return f"{number:2}  {figures}  {sample.name}{worst}{problems}"


def _write(folder: Path, number: int, sample: Sample, reading: Reading) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{number:02}.pdf").write_bytes(sample.pdf)
    (folder / f"{number:02}.txt").write_text(reading.text + "\n", encoding="utf-8")
    (folder / f"{number:02}.expected.txt").write_text(" ".join(sample.words) + "\n", encoding="utf-8")


def _figures(readings: list[Reading]) -> list[Figure]:
    errors = [100 * reading.score.error for reading in readings]
    figures = [
        Figure.of("word error, mean over scans", "%", [statistics.mean(errors)], what="mean"),
        Figure.of("word error of a scan", "%", errors, what="each"),
        Figure.of("time of a page", "s", [reading.seconds for reading in readings], what="page"),
    ]
    for stage in sorted({name for reading in readings for name in reading.stages_s}):
        spent = [reading.stages_s.get(stage, 0.0) for reading in readings]
        figures.append(Figure.of(f"of which {stage}", "s", spent, what=stage))
    return figures


if __name__ == "__main__":
    sys.exit(main())
