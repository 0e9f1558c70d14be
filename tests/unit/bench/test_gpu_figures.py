"""What the GPU run counts with, and how its steps tell what they found."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from bench.gpu.architectures import BGE_BASE, MINILM_L6
from bench.gpu.batches import by_length, lognormal_lengths, random_items
from bench.gpu.nvml import compare
from bench.gpu.outcome import add
from bench.gpu.peaks import peak_of
from bench.gpu.steps import Options, Report
from bench.gpu.tests import command, read
from services.gpu.devices.base import Device, DeviceKind, Inventory

GPU = Device(
    id="GPU-a",
    kind=DeviceKind.GPU,
    name="NVIDIA H100 80GB HBM3",
    memory_bytes=81_559 * 2**20,
    memory_used_bytes=600 * 2**20,
    utilization_percent=0,
    temperature_celsius=40,
    compute_capability="9.0",
)
INVENTORY = Inventory(devices=(GPU,), driver_version="580.1")
LINE = {
    "uuid": "GPU-a",
    "name": "NVIDIA H100 80GB HBM3",
    "memory.total": "81559",
    "memory.used": "650",
    "temperature.gpu": "42",
    "utilization.gpu": "3",
    "driver_version": "580.1",
}
XML = """<testsuites><testsuite>
<testcase name="good"/>
<testcase name="bad"><failure message="short">long story</failure></testcase>
<testcase name="broken"><error message="short">no fixture</error></testcase>
<testcase name="left"><skipped message="no GPU"/></testcase>
</testsuite></testsuites>"""


@pytest.fixture
def options(tmp_path: Path) -> Options:
    return Options(device="cpu", is_tiny=True, work=tmp_path, budget_s=60)


def test_operations_of_a_token_are_those_of_the_worked_example() -> None:
    assert MINILM_L6.flops([128]) == 128 * 22_413_312
    assert MINILM_L6.flops([128, 128]) == 2 * MINILM_L6.flops([128])
    assert BGE_BASE.flops([1]) == 12 * (2 * 7_077_888 + 4 * 768)


def test_a_card_that_is_not_in_the_table_has_no_peak() -> None:
    h100 = peak_of("NVIDIA H100 80GB HBM3")

    assert h100 is not None
    assert (h100.of("float32"), h100.of("bfloat16"), h100.of("float16")) == (67, 989.5, 989.5)
    assert peak_of("NVIDIA H1000") is None


def test_batches_hold_every_item_once_neighbours_in_length_within_the_budget() -> None:
    items = random_items(lognormal_lengths(200))

    batches = by_length(items, budget=1_000)

    lengths = [[len(items[at].ids) for at in places] for places in batches]
    assert sorted(at for places in batches for at in places) == list(range(200))
    assert all(len(each) * max(each) <= 1_000 for each in lengths)
    assert [length for each in lengths for length in each] == sorted((len(item.ids) for item in items), reverse=True)


def test_an_item_over_the_budget_is_a_batch_of_its_own() -> None:
    assert by_length(random_items([5, 50, 5]), budget=10) == [[1], [0, 2]]


def test_readings_that_moved_a_little_between_two_looks_agree() -> None:
    assert compare(INVENTORY, [LINE]) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("uuid", "GPU-b"),
        ("name", "NVIDIA H200"),
        ("memory.total", "81558"),
        ("memory.used", "9000"),
        ("temperature.gpu", "80"),
        ("utilization.gpu", "[N/A]"),
    ],
)
def test_a_reading_that_differs_is_named(field: str, value: str) -> None:
    assert compare(INVENTORY, [{**LINE, field: value}]) == [f"GPU-a: {field}"]


def test_another_driver_and_another_number_of_gpus_are_named() -> None:
    assert compare(INVENTORY, [{**LINE, "driver_version": "1"}]) == ["driver_version"]
    assert compare(INVENTORY, []) == ["1 GPUs against 0"]


def test_what_neither_reports_agrees() -> None:
    silent = replace(GPU, temperature_celsius=None, utilization_percent=None)
    line = {**LINE, "temperature.gpu": "[N/A]", "utilization.gpu": "[N/A]"}

    assert compare(replace(INVENTORY, devices=(silent,)), [line]) == []


def test_pytests_results_are_counted_with_what_failed(tmp_path: Path) -> None:
    (tmp_path / "tests.xml").write_text(XML)

    outcome = read(tmp_path / "tests.xml")

    assert outcome.passed == 1
    assert outcome.failed == {"bad": "long story", "broken": "no fixture"}
    assert outcome.skipped == {"no GPU": 1}


def test_the_files_with_tests_for_gpus_are_found(tmp_path: Path) -> None:
    names = {Path(word).name for word in command(tmp_path) if word.endswith(".py")}

    assert {"test_cuda.py", "test_real_gpu.py", "test_backend_contract.py"} <= names


def test_a_report_is_whole_after_every_entry_and_incomplete_until_its_end(tmp_path: Path, options: Options) -> None:
    (tmp_path / "calibration.json").write_text(json.dumps({"machine": {"card": "x"}, "peak": None, "calibration": []}))
    report = Report("attention", tmp_path, options)

    report.figure("speed", "ms", [1.0, 3.0, 2.0], dtype="float32")

    content = json.loads((tmp_path / "attention.json").read_text())
    assert content["machine"] == {"card": "x"}
    assert content["complete"] is False
    assert content["figures"] == [
        {
            "name": "speed",
            "unit": "ms",
            "median": 2.0,
            "low": 1.0,
            "high": 3.0,
            "runs": 3,
            "labels": {"dtype": "float32"},
        }
    ]


def test_what_is_begun_too_late_is_left_out_and_named(tmp_path: Path, options: Options) -> None:
    report = Report("embedding", tmp_path, replace(options, budget_s=0))

    assert not report.has_time("bge-large")
    assert json.loads((tmp_path / "embedding.json").read_text())["left_out"] == ["bge-large"]


@pytest.mark.parametrize(("status", "outcome"), [(0, "passed"), (1, "failed"), (124, "cut"), (137, "cut")])
def test_the_run_tells_of_each_step_how_it_ended(tmp_path: Path, status: int, outcome: str) -> None:
    add(tmp_path, tmp_path, "tests", status=0, taken_s=1, limit_s=2)
    add(tmp_path, tmp_path, "nvml", status=status, taken_s=1.5, limit_s=20)

    steps = json.loads((tmp_path / "run.json").read_text())["steps"]
    assert [entry["step"] for entry in steps] == ["tests", "nvml"]
    assert steps[1] == {"step": "nvml", "outcome": outcome, "status": status, "seconds": 1.5, "limit_s": 20}
