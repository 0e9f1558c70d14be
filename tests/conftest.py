"""Says at the end of a run which tests were left out, and what they need; skips those that need a GPU without one."""

from __future__ import annotations

import ctypes
from collections import Counter
from collections.abc import Sequence
from functools import cache

import pytest

_NEEDS = {"mesh": "Nomad, Consul, OpenBao and Envoy", "gpu": "an NVIDIA GPU", "drill": "much time"}

_left_out = pytest.StashKey[Counter[str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_left_out] = Counter()


def pytest_deselected(items: Sequence[pytest.Item]) -> None:
    for item in items:
        item.config.stash[_left_out].update(mark for mark in _NEEDS if item.get_closest_marker(mark))


@pytest.hookimpl(tryfirst=True)  # before fixtures are made
def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("gpu") and not _has_driver():
        pytest.skip("this machine has no NVIDIA GPU")


@cache
def _has_driver() -> bool:
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if config.option.markexpr:
        for mark, needs in _NEEDS.items():
            terminalreporter.write_line(f"not run: {config.stash[_left_out][mark]} tests that need {needs} (-m {mark})")
