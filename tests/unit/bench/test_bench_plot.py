from __future__ import annotations

import json
import math
import os
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bench.plot import Measurement, draw, read, throughput
from bench.report import Figure, publish
from services.gpu.devices.cpu import read_cpu


def figures() -> list[Figure]:
    where = {"mix": "lognormal", "shape": "1 x 32", "metric": "throughput"}
    return [
        Figure.of("a", "tokens/s", [900.0, 1000.0, 1100.0], **where, system="isolane"),
        Figure.of("b", "tokens/s", [400.0], **where, system="infinity, <torch>"),
        Figure.of("c", "tokens/s", [400.0], **{**where, "mix": "equal"}, system="isolane"),
        Figure.of("d", "%", [95.0], engine="fixed cost", factor="10", metric="goodput / peak"),
    ]


def test_figures_survive_their_file(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"

    publish(figures(), path, seed=1, notes=["noted"])

    assert read(path).figures == figures()
    assert json.loads(path.read_text())["notes"] == ["noted"]


def test_a_file_names_the_cores_that_could_be_used_and_their_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "figures.json"
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: {3, 5, 6})
    monkeypatch.setattr(os, "cpu_count", lambda: 64)

    publish(figures(), path)

    assert read(path).cores == 3
    assert json.loads(path.read_text())["machine"]["cpu"] == read_cpu().name


def test_what_is_infinite_or_unknown_is_null_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    endless = [Figure.of("e", "ms", [1.0, math.inf, math.inf]), Figure.of("f", "ms", [math.nan])]

    publish([*figures(), *endless], path)

    content = json.loads(path.read_text(), parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert [(raw["median"], raw["low"], raw["high"]) for raw in content["figures"][-2:]] == [
        (None, 1.0, None),
        (None, None, None),
    ]
    assert read(path).figures == figures()


def test_a_bar_says_when_requests_failed() -> None:
    where = {"mix": "lognormal", "shape": "1 x 32", "system": "isolane"}
    failed = Figure.of("x", "requests", [3.0], **where, metric="not compared")

    (group,) = throughput([*figures(), failed], "lognormal")

    assert [bar.label for bar in group.bars] == ["isolane (requests failed)", "infinity, <torch>"]


def test_a_picture_is_drawn_for_what_was_measured_and_its_bars_are_to_scale(tmp_path: Path) -> None:
    drawn = draw(Measurement(cores=16, figures=figures()), tmp_path)

    assert sorted(path.name for path in drawn) == ["benchmarks-embedding.svg", "benchmarks-overload.svg"]
    root = ElementTree.fromstring((tmp_path / "benchmarks-embedding.svg").read_text())
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    widths = [float(element.get("width", "")) for element in root.iter("{http://www.w3.org/2000/svg}rect")][1:]
    assert any("; 16 cores; " in str(text) for text in texts)
    assert {"isolane", "infinity, <torch>", "1,000", "400"} <= set(texts)
    assert len(widths) == 2
    assert 400 < widths[0] < 470
    assert round(widths[0] / widths[1], 2) == 2.5
