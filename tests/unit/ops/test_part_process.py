from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from ops.local.parts import Part
from ops.local.process import Backoff, PartProcess
from services.common.errors import StartupError


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptPart(Part):
    """A part that runs a line of Python in place of a module."""

    script: str = ""

    @property
    def command(self) -> tuple[str, ...]:
        return (sys.executable, "-c", self.script)


def script_part(script: str) -> ScriptPart:
    return ScriptPart(name="stand-in", module="", protocol="grpc", port=1, environ={}, script=script)


async def run(script: str, log: Path) -> PartProcess:
    process = await PartProcess.start(script_part(script), log, log.parent)
    await process.wait()
    return process


def delays(backoff: Backoff, healthy_s: Sequence[float]) -> list[float]:
    return [backoff.after(seconds) for seconds in healthy_s]


def test_backoff_doubles_to_its_bound() -> None:
    assert delays(Backoff(), [0.0] * 7) == [0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0]


def test_backoff_begins_anew_after_a_long_healthy_run() -> None:
    assert delays(Backoff(), [0.0, 0.0, 29.9, 30.0, 0.0]) == [0.5, 1.0, 2.0, 0.5, 1.0]


async def test_end_is_told_with_the_last_logged_error(tmp_path: Path) -> None:
    error = json.dumps({"level": "error", "event": "cannot_start", "error": "the port is taken; set another"})
    script = f"import sys; print('noise'); print({error!r}); print('{{\"level\": \"info\"}}'); sys.exit(1)"

    process = await run(script, tmp_path / "part.log")

    assert process.how_it_ended() == "exit status 1: the port is taken; set another"


async def test_end_without_a_logged_error_is_told_with_the_last_lines(tmp_path: Path) -> None:
    process = await run("import sys; print('2 settings are wrong'); sys.exit(2)", tmp_path / "part.log")

    assert process.how_it_ended() == "exit status 2: 2 settings are wrong"


async def test_errors_of_an_earlier_process_in_the_same_log_are_not_told(tmp_path: Path) -> None:
    log = tmp_path / "part.log"
    log.write_text('{"level": "error", "error": "of the run before"}\n')

    process = await run("raise SystemExit(3)", log)

    assert process.how_it_ended() == "exit status 3"


async def test_kill_is_told_by_its_signal(tmp_path: Path) -> None:
    process = await PartProcess.start(script_part("import time; time.sleep(60)"), tmp_path / "part.log", tmp_path)

    process.kill()
    await process.wait()

    assert process.how_it_ended() == f"killed by {signal.SIGKILL.name}"
    assert not process.is_running


async def test_unwritable_log_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(StartupError, match="stand-in cannot be started with its log"):
        await PartProcess.start(script_part(""), tmp_path / "file" / "part.log", tmp_path)


async def test_missing_folder_of_the_log_is_made(tmp_path: Path) -> None:
    log = tmp_path / "missing" / "part.log"

    process = await PartProcess.start(script_part("print('here')"), log, tmp_path)
    await process.wait()

    assert log.read_text() == "here\n"


async def test_end_is_told_also_when_the_log_is_gone(tmp_path: Path) -> None:
    process = await run("raise SystemExit(3)", tmp_path / "part.log")
    (tmp_path / "part.log").unlink()

    assert process.how_it_ended() == "exit status 3"


def test_part_does_not_import_from_the_folder_it_runs_in(tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('a stranger ran')")
    part = Part(name="gpu", module="json.tool", protocol="grpc", port=1, environ={})

    done = subprocess.run(part.command, cwd=tmp_path, input="{}", capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (0, "{}\n", "")
