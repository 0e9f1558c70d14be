"""What every benchmark prints: figures with units, after a calibration of the machine."""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bench.machine import cores, cpu_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured number, as median and range over its runs."""

    name: str
    unit: str
    median: float
    low: float
    high: float
    runs: int
    labels: Mapping[str, str] = field(default_factory=dict)
    """What the name says, for programs: system, mix, shape, metric, ..."""

    @classmethod
    def of(cls, name: str, unit: str, values: Sequence[float], **labels: str) -> Figure:
        """Summarise the values of all runs."""
        return cls(
            name=name,
            unit=unit,
            median=statistics.median(values),
            low=min(values),
            high=max(values),
            runs=len(values),
            labels=labels,
        )


def parser(description: str) -> argparse.ArgumentParser:
    """The command line that every benchmark shares: `--json FILE`."""
    arguments = argparse.ArgumentParser(description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    arguments.add_argument("--json", type=Path, default=None, metavar="FILE", help="also write the figures there")
    return arguments


def json_argument(description: str) -> Path | None:
    """Parse the command line of a benchmark that has no options of its own."""
    path: Path | None = parser(description).parse_args().json
    return path


def say(text: str) -> None:
    """Tell the person who waits what is being measured."""
    print(text, file=sys.stderr, flush=True)


def publish(figures: Sequence[Figure], path: Path | None, *, notes: Sequence[str] = (), **facts: object) -> None:
    """Print the table; write JSON when a path is given.

    Args:
        figures: the calibration first.
        path: of the JSON file.
        notes: what the table cannot say.
        facts: how it was measured, for example the seed.
    """
    machine = {
        "python": platform.python_version(),
        "cpu": cpu_name(),
        "cores": cores(),
        "load_1m": os.getloadavg()[0],
        **facts,
    }
    print("  ".join(f"{key} {value}" for key, value in machine.items()))
    width = max(len(figure.name) for figure in figures)
    print(f"{'':{width}}  {'median':>10} {'low':>10} {'high':>10}  runs  unit")
    for figure in figures:
        numbers = f"{figure.median:>10.3f} {figure.low:>10.3f} {figure.high:>10.3f}"
        print(f"{figure.name:{width}}  {numbers}  {figure.runs:>4}  {figure.unit}")
    for note in notes:
        print(note)
    if path is not None:
        content = {"machine": machine, "figures": [_json(figure) for figure in figures], "notes": notes}
        path.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n")


def _json(figure: Figure) -> dict[str, object]:
    """As JSON, which has no infinity: null stands for it, and for what is not known."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in asdict(figure).items()
    }
