from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pynvml
import pytest

pytestmark = pytest.mark.integration

HANGING_DRIVER = """
import sys, threading
from services.common.lifecycle import run_process, serve
from services.gpu.app import build
from services.gpu.devices.fake import FakeSource
from services.gpu.settings import GpuSettings

class Hanging(FakeSource):
    def read(self):
        threading.Event().wait()

sys.exit(run_process(GpuSettings, lambda settings: serve(settings, build(settings, source=Hanging()))))
"""


def has_driver() -> bool:
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return False
    pynvml.nvmlShutdown()
    return True


needs_no_driver = pytest.mark.skipif(has_driver(), reason="this machine has an NVIDIA driver")


@contextmanager
def started(arguments: Sequence[str], **settings: str) -> Iterator[subprocess.Popen[str]]:
    """The service as a process of its own; killed at the end if it still runs."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("ISOLANE_")}
    environ |= {"ISOLANE_GPU_PORT": "0", "ISOLANE_GPU_METRICS_PORT": "0"}
    environ |= {f"ISOLANE_GPU_{name.upper()}": value for name, value in settings.items()}
    with subprocess.Popen([sys.executable, *arguments], stderr=subprocess.PIPE, text=True, env=environ) as process:
        try:
            yield process
        finally:
            process.kill()


def events_until_serving(process: subprocess.Popen[str]) -> list[dict[str, object]]:
    assert process.stderr is not None
    events: list[dict[str, object]] = []
    for line in process.stderr:
        events.append(json.loads(line))
        if events[-1]["event"] == "serving":
            return events
    raise AssertionError(f"it ended before it served: {events}")


@needs_no_driver
def test_require_gpu_without_a_driver_ends_the_process_with_one_clear_line() -> None:
    with started(["-m", "services.gpu"], require_gpu="true") as process:
        _, errors = process.communicate(timeout=30)

    (line,) = errors.splitlines()
    assert process.returncode == 1
    assert json.loads(line)["event"] == "cannot_start"
    assert json.loads(line)["error"] == (
        "require_gpu is set and no GPU is usable: the NVIDIA driver cannot be used: NVML Shared Library Not Found; "
        "install or repair it"
    )


@needs_no_driver
def test_without_a_driver_the_process_serves_the_cpu_and_says_so() -> None:
    with started(["-m", "services.gpu"]) as process:
        events = events_until_serving(process)
        process.send_signal(signal.SIGTERM)
        status = process.wait(timeout=30)

    assert [event["event"] for event in events] == ["no_usable_gpu", "devices_found", "serving"]
    assert events[1]["devices"] == ["cpu"]
    assert status == 0


def test_a_driver_that_hangs_keeps_the_process_neither_from_starting_nor_from_ending() -> None:
    settings = {"start_timeout_s": "0.1", "read_timeout_s": "0.1", "sample_interval_s": "0.05"}
    with started(["-c", HANGING_DRIVER], **settings) as process:
        events = events_until_serving(process)
        process.send_signal(signal.SIGTERM)
        status = process.wait(timeout=30)

    assert events[0]["reason"] == "the driver does not answer; check it with nvidia-smi"
    assert status == 0
