"""What every benchmark prints: figures with units, after a calibration of the machine."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured number, as median and range over its runs."""

    name: str
    unit: str
    median: float
    low: float
    high: float
    runs: int

    @classmethod
    def of(cls, name: str, unit: str, values: Sequence[float]) -> Figure:
        """Summarise the values of all runs."""
        return cls(
            name=name,
            unit=unit,
            median=statistics.median(values),
            low=min(values),
            high=max(values),
            runs=len(values),
        )


def json_argument(description: str) -> Path | None:
    """Parse the command line that every benchmark shares: `--json FILE`."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    path: Path | None = parser.parse_args().json
    return path


def publish(figures: Sequence[Figure], path: Path | None) -> None:
    """Print the table; write JSON when a path is given."""
    machine = {"python": platform.python_version(), "cores": os.cpu_count(), "load_1m": os.getloadavg()[0]}
    print("  ".join(f"{key} {value}" for key, value in machine.items()))
    width = max(len(figure.name) for figure in figures)
    print(f"{'':{width}}  {'median':>10} {'low':>10} {'high':>10}  runs  unit")
    for figure in figures:
        numbers = f"{figure.median:>10.3f} {figure.low:>10.3f} {figure.high:>10.3f}"
        print(f"{figure.name:{width}}  {numbers}  {figure.runs:>4}  {figure.unit}")
    if path is not None:
        path.write_text(json.dumps({"machine": machine, "figures": [asdict(f) for f in figures]}, indent=2) + "\n")
