"""Run every check of the source tree and report; changes nothing. Exit 1 when one fails.

python tools/check.py
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One command that exits with 0 when all is well."""

    name: str
    command: Sequence[str]
    remedy: str
    """What to do when it fails."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a check said."""

    check: Check
    passed: bool
    output: str
    seconds: float


def tool(name: str, *arguments: str) -> list[str]:
    """Command line of a tool in the environment that runs this file."""
    return [str(BIN / name), *arguments]


def script(name: str) -> list[str]:
    """Command line that checks what one of our generators wrote."""
    return [sys.executable, f"tools/{name}.py", "--check"]


def tests(*folders: str) -> list[str]:
    """Command line of the tests that check the tree itself."""
    return [sys.executable, "-m", "pytest", "-q", "--no-header", "-p", "no:cacheprovider", *folders]


# The slowest first: two run at a time.
CHECKS = (
    Check(name="types", command=tool("mypy"), remedy="correct the types"),
    Check(
        name="layout and docs",
        command=tests("tests/contract/test_layout.py", "tests/contract/test_mesh_layout.py", "tests/unit/docs"),
        remedy="add what is missing",
    ),
    Check(name="format", command=tool("ruff", "format", "--check", "."), remedy="run `just lint`"),
    Check(name="lint", command=tool("ruff", "check", "."), remedy="run `just lint`, correct the rest"),
    Check(name="imports", command=tool("lint-imports"), remedy="imports go one way: move the type"),
    Check(name="stubs", command=script("protos"), remedy="run `just protos`"),
    Check(name="proto lint", command=tool("buf", "lint"), remedy="correct the proto file"),
    Check(name="proto format", command=tool("buf", "format", "--diff", "--exit-code"), remedy="run `just lint`"),
    Check(name="configuration page", command=script("configuration"), remedy="run `just docs`"),
    Check(name="page of formats", command=script("formats"), remedy="run `just docs`"),
    Check(name="hcl", command=script("hcl"), remedy="run `just lint`, correct the rest"),
)


def prepare() -> None:
    """Build what a check needs, in sight: it takes minutes, once. When it fails, the check says so."""
    subprocess.run([sys.executable, "tools/hcl.py", "--prepare"], cwd=ROOT, check=False)


def run(check: Check) -> Result:
    """Run one check to its end."""
    started_s = time.monotonic()
    done = subprocess.run(
        check.command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    seconds = time.monotonic() - started_s
    return Result(check=check, passed=done.returncode == 0, output=done.stdout + done.stderr, seconds=seconds)


def main() -> int:
    """Run the command line; returns the exit status."""
    prepare()
    failed = []
    with ThreadPoolExecutor(max_workers=2) as pool:
        for future in as_completed([pool.submit(run, check) for check in CHECKS]):
            result = future.result()
            print(f"{'ok    ' if result.passed else 'FAILED'} {result.check.name} ({result.seconds:.1f} s)", flush=True)
            if not result.passed:
                failed.append(result)
    for result in failed:
        print(f"\n{result.check.name}: {result.check.remedy}\n{result.output.rstrip()}")
    print(f"\ncheck: {len(CHECKS) - len(failed)} of {len(CHECKS)} passed")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
