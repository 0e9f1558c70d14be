"""The script for a borrowed GPU machine, run on the CPU with tiny sizes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]  # six of its steps import torch

ROOT = Path(__file__).resolve().parents[3]
STEPS = ["calibration", "tests", "attention", "embedding", "reranking", "nvml", "require_gpu", "serving"]
HANGS_AND_FAILS = f"""#!/bin/sh
case "$*" in
  *bench.gpu.nvml*) trap '' TERM; sleep 600 ;;
  *bench.gpu.require_gpu*) exit 3 ;;
  *) exec {sys.executable} "$@" ;;
esac
"""


@dataclass(frozen=True, kw_only=True)
class Done:
    """A run that ended."""

    status: int
    printed: str
    files: dict[str, Any]
    """Content of what it wrote, by name without ending."""

    def figures(self, step: str, unit: str) -> list[dict[str, Any]]:
        return [figure for figure in self.files[step]["figures"] if figure["unit"] == unit]

    def labels(self, step: str, unit: str, *names: str) -> set[tuple[str, ...]]:
        return {tuple(figure["labels"][name] for name in names) for figure in self.figures(step, unit)}


def run(out: Path, *arguments: str, **environ: str) -> Done:
    variables = {"OUT": str(out), "PYTHON": sys.executable, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        ["bash", "bench/gpu/run.sh", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **variables, **environ},
    )
    files = {path.stem: json.loads(path.read_text()) for path in out.glob("*") if path.suffix == ".json"}
    assert len(files) == len(list(out.glob("*")))
    return Done(status=done.returncode, printed=done.stdout + done.stderr, files=files)


@pytest.fixture(scope="module")
def dry(tmp_path_factory: pytest.TempPathFactory) -> Done:
    return run(tmp_path_factory.mktemp("out"), "--device", "cpu", "--tiny", "--limit", "300")


def test_every_step_runs_and_writes_a_file(dry: Done) -> None:
    outcomes = {entry["step"]: entry["outcome"] for entry in dry.files["run"]["steps"]}

    assert outcomes == dict.fromkeys(STEPS, "passed"), dry.printed
    assert dry.status == 0
    assert set(dry.files) == {"run", *STEPS} - {"calibration"}
    assert all(content["complete"] for step, content in dry.files.items() if step != "run")
    assert all(content["left_out"] == [] for step, content in dry.files.items() if step != "run")


def test_every_file_says_what_machine_it_was_and_what_a_bare_product_did_on_it(dry: Done) -> None:
    for content in dry.files.values():
        products = [figure["labels"]["dtype"] for figure in content["calibration"] if "product" in figure["name"]]

        assert (content["device"], content["tiny"], content["peak"]) == ("cpu", True, None)
        assert {"card", "driver", "torch", "transformers", "sentence-transformers"} <= set(content["machine"])
        assert products == ["bfloat16", "float32"]


def test_figures_have_a_median_and_a_range_over_turns(dry: Done) -> None:
    for step in ("attention", "embedding", "reranking"):
        for figure in dry.files[step]["figures"]:
            assert figure["low"] <= figure["median"] <= figure["high"]
            assert figure["runs"] >= 1


def test_attention_is_compared_in_every_number_type(dry: Done) -> None:
    ways = {("bfloat16", "padded"), ("float32", "padded")}

    assert dry.labels("attention", "ms", "dtype", "way") == ways
    assert dry.labels("attention", "tokens/s", "dtype", "way") == ways
    assert all(figure["median"] < 0.02 for figure in dry.figures("attention", ""))
    assert dry.files["attention"]["facts"]["kernel packed bfloat16"].startswith("refused")


def test_embedding_stands_beside_sentence_transformers_with_the_same_vectors(dry: Done) -> None:
    systems = {"forward", "isolane", "sentence-transformers"}
    cosines = [fact for name, fact in dry.files["embedding"]["facts"].items() if "cosine" in name]

    assert dry.labels("embedding", "tokens/s", "system", "dtype") == {
        (system, dtype) for system in systems for dtype in ("bfloat16", "float32")
    }
    assert len(cosines) == 2
    assert min(cosines) > 0.999
    assert "22,413,312" in dry.files["embedding"]["facts"]["flops"]


def test_reranking_stands_beside_sentence_transformers_with_the_same_scores(dry: Done) -> None:
    differences = [fact for name, fact in dry.files["reranking"]["facts"].items() if "difference" in name]

    assert {system for (system,) in dry.labels("reranking", "pairs/s", "system")} == {
        "isolane",
        "sentence-transformers",
    }
    assert len(differences) == 2
    assert max(differences) < 0.01


def test_without_a_gpu_the_service_that_requires_one_ends_with_the_reason(dry: Done) -> None:
    for start in (dry.files["require_gpu"]["facts"][name] for name in ("as it is", "hidden")):
        assert (start["served"], start["status"]) == (False, 1)
        assert "torch finds no usable CUDA GPU" in start["error"]


def test_the_service_is_loaded_in_every_shape_with_each_setting(dry: Done) -> None:
    rates = dry.figures("serving", "tokens/s")

    assert dry.labels("serving", "tokens/s", "shape", "budget", "replicas") == {
        (shape, "8192", replicas) for shape in ("1 x 8", "8 x 2") for replicas in ("1", "2")
    }
    assert all(figure["median"] > 0 for figure in rates)
    assert {metric for (metric,) in dry.labels("serving", "s/s", "metric")} == {
        "CPU",
        "CPU of the event loop",
        "CPU of the busiest other thread",
        "CPU of the busiest client",
    }


def test_the_tests_for_gpus_are_found_and_skipped_with_the_reason(dry: Done) -> None:
    outcome = dry.files["tests"]["facts"]["outcome"]

    assert outcome["failed"] == {}
    assert outcome["passed"] + sum(outcome["skipped"].values()) > 40


def test_a_step_that_hangs_is_cut_one_that_fails_is_told_and_the_status_counts_both(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text(HANGS_AND_FAILS)
    python.chmod(0o755)

    done = run(tmp_path / "out", "--device", "cpu", "--tiny", "--limit", "6", "nvml", "require_gpu", PYTHON=str(python))

    assert [(entry["step"], entry["outcome"]) for entry in done.files["run"]["steps"]] == [
        ("nvml", "cut"),
        ("require_gpu", "failed"),
    ]
    assert done.files["run"]["steps"][0]["seconds"] < 10
    assert done.status == 2


@pytest.mark.parametrize("arguments", [["no-such-step"], ["--no-such-option"]])
def test_what_is_not_known_is_an_error_that_says_what_is(tmp_path: Path, arguments: list[str]) -> None:
    done = run(tmp_path, *arguments)

    assert done.status == 255
    assert "there are" in done.printed
