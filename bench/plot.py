"""Draw what a benchmark wrote with --json: `just bench plot FILE ...`; the pictures go to docs/images."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from bench.report import Figure
from bench.svg import Bar, Group, chart
from ops.settings import project_root

_OWN = ("isolane", "fixed cost", "real engine")


class Measurement(NamedTuple):
    """What a benchmark wrote."""

    cores: int
    """Of its machine."""
    figures: Sequence[Figure]


def read(path: Path) -> Measurement:
    """A JSON file; figures that are infinite or unknown cannot be drawn and are left out."""
    content = json.loads(path.read_text(encoding="utf-8"))
    figures = [Figure(**raw) for raw in content["figures"] if None not in raw.values()]
    return Measurement(cores=content["machine"]["cores"], figures=figures)


def throughput(figures: Sequence[Figure], mix: str) -> list[Group]:
    """Real tokens per second of one length mix, a group for each shape; a bar says when requests failed."""
    failed = [_place(figure) for figure in figures if figure.labels.get("metric") == "not compared"]
    found: dict[str, list[Bar]] = {}
    for figure in figures:
        labels = figure.labels
        if labels.get("metric") == "throughput" and labels.get("mix") == mix:
            shape = labels["shape"].split(" x ")
            title = f"{shape[0]} text{'s' * (shape[0] != '1')} a request, {shape[1]} callers"
            if shape[1] != "1":
                mark = " (requests failed)" if _place(figure) in failed else ""
                found.setdefault(title, []).append(bar(figure, labels["system"] + mark))
    return [Group(title=title, bars=bars) for title, bars in found.items()]


def _place(figure: Figure) -> tuple[str | None, ...]:
    return tuple(figure.labels.get(label) for label in ("mix", "shape", "system"))


def goodput(figures: Iterable[Figure]) -> list[Group]:
    """Goodput in percent of the peak, a group for each engine."""
    found: dict[str, list[Bar]] = {}
    for figure in figures:
        labels = figure.labels
        if labels.get("metric") == "goodput / peak":
            found.setdefault(labels["engine"], []).append(bar(figure, f"{labels['factor']} x the peak offered"))
    return [Group(title=f"Isolane, {engine}", bars=bars) for engine, bars in found.items()]


def reranking(figures: Iterable[Figure]) -> list[Group]:
    """Pairs per second."""
    bars = [
        bar(figure, figure.labels["system"])
        for figure in figures
        if figure.labels.get("metric") == "throughput" and "mix" not in figure.labels
    ]
    return [Group(title="A query and 50 passages of about 64 tokens", bars=bars)] if bars else []


def bar(figure: Figure, label: str) -> Bar:
    """A figure as a bar."""
    system = figure.labels.get("system", figure.labels.get("engine", ""))
    is_ours = system.startswith(_OWN)
    return Bar(label=label, value=figure.median, low=figure.low, high=figure.high, is_ours=is_ours)


def draw(measured: Measurement, folder: Path) -> list[Path]:
    """Write each picture for which there are figures; returns their files."""
    cores, figures = measured
    machine = f"{cores} core{'s' * (cores != 1)}"
    pictures = {
        "embedding": ("Embedding throughput", "real tokens per second", throughput(figures, "lognormal")),
        "overload": ("What stays useful under overload", "goodput in % of the peak", goodput(figures)),
        "reranking": ("Reranking throughput", "pairs per second", reranking(figures)),
    }
    written = []
    for name, (title, unit, groups) in pictures.items():
        if groups:
            path = folder / f"benchmarks-{name}.svg"
            how = f"{unit}; median of the rounds, the line is their range; {machine}; longer is better"
            path.write_text(chart(title, how, groups), encoding="utf-8")
            written.append(path)
    return written


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    arguments.add_argument("files", nargs="+", type=Path, metavar="FILE", help="written by a benchmark's --json")
    arguments.add_argument("--folder", type=Path, default=project_root() / "docs" / "images", help="of the pictures")
    chosen = arguments.parse_args()
    for file in chosen.files:
        drawn = draw(read(file), chosen.folder)
        print("\n".join(map(str, drawn)) or f"{file}: no figures that this command draws")
