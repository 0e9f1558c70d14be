"""Says at the end of a run which tests were left out, and what they need."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest

_NEEDS = {"mesh": "Nomad, Consul, OpenBao and Envoy", "gpu": "an NVIDIA GPU"}

_left_out = pytest.StashKey[Counter[str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_left_out] = Counter()


def pytest_deselected(items: Sequence[pytest.Item]) -> None:
    for item in items:
        item.config.stash[_left_out].update(mark for mark in _NEEDS if item.get_closest_marker(mark))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if config.option.markexpr:
        for mark, needs in _NEEDS.items():
            terminalreporter.write_line(f"not run: {config.stash[_left_out][mark]} tests that need {needs} (-m {mark})")
