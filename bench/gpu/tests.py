"""Step: the tests that are marked `gpu`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from xml.etree import ElementTree

from bench.gpu import steps
from bench.gpu.steps import Options, Report

ROOT = Path(__file__).resolve().parents[2]
_MARK = "mark.gpu"
_PLUGINS = ("pytest_asyncio.plugin", "pytest_timeout")
_LONGEST_MESSAGE = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of the tests."""

    passed: int
    skipped: Mapping[str, int]
    """How many for each reason."""
    failed: Mapping[str, str]
    """What each said, by its name."""


def measure(report: Report, options: Options) -> bool:
    """Run them; False when one failed, or on a GPU when none passed."""
    results = options.work / "tests.xml"
    status = subprocess.run(command(results), cwd=ROOT, env=_environ(), check=False).returncode
    report.fact("status", status)
    if not results.is_file():
        return False
    outcome = read(results)
    report.fact("outcome", asdict(outcome))
    return status == 0 and (outcome.passed > 0 or not options.has_gpu)


def command(results: Path) -> Sequence[str]:
    """Pytest over the files that speak of the mark: others may need what that machine does not have.

    Warnings are no errors there: the versions of its libraries are not those that we have locked.
    """
    files = [str(path) for path in sorted((ROOT / "tests").rglob("test_*.py")) if _MARK in path.read_text("utf-8")]
    plugins = [word for name in _PLUGINS for word in ("-p", name)]
    options = ["-m", "gpu", "-o", "filterwarnings=default", "-p", "no:cacheprovider", f"--junitxml={results}"]
    return [sys.executable, "-m", "pytest", "-q", *plugins, *options, *files]


def read(results: Path) -> Outcome:
    """What pytest's XML says."""
    cases = ElementTree.parse(results).getroot().iter("testcase")  # written a moment ago by our own pytest
    passed, skipped, failed = 0, dict[str, int](), dict[str, str]()
    for case in cases:
        problem = next((each for kind in ("failure", "error") if (each := case.find(kind)) is not None), None)
        left_out = case.find("skipped")
        if problem is not None:
            failed[case.get("name", "")] = (problem.text or "")[-_LONGEST_MESSAGE:]
        elif left_out is not None:
            reason = left_out.get("message", "")
            skipped[reason] = skipped.get(reason, 0) + 1
        else:
            passed += 1
    return Outcome(passed=passed, skipped=skipped, failed=failed)


def _environ() -> dict[str, str]:
    """Plugins that happen to be installed there stay out."""
    return {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}


if __name__ == "__main__":
    steps.run("tests", measure)
