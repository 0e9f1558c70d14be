from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import fcntl
import os
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from ops import leftovers
from ops.local.state import PartState, StackState, StateFolder
from services.common.errors import StartupError
from services.common.testing.waiting import eventually

SLEEP = "import time; time.sleep(60)"
PARENT = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {SLEEP!r}], start_new_session=True)"


def own_state() -> StackState:
    part = PartState(name="gpu", pid=7, url="grpc://127.0.0.1:1", log="gpu.log", healthy=True, restarts=2)
    return StackState(
        pid=os.getpid(),
        url="http://127.0.0.1:8080",
        backend="fake",
        ready=True,
        parts=(part,),
    )


def test_state_is_read_as_it_was_written(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path)

    with folder.lock():
        folder.write(own_state())

        assert folder.read() == own_state() == folder.running()


def test_state_of_a_supervisor_whose_pid_is_another_process_now_does_not_run(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path)
    (tmp_path / "lock").write_text(str(os.getpid()))

    folder.write(own_state())

    assert folder.read() is not None
    assert folder.running() is None
    assert folder.supervisor() is None


def test_state_of_another_supervisor_than_the_holder_does_not_run(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path)

    with folder.lock():
        folder.write(dataclasses.replace(own_state(), pid=os.getppid()))

        assert folder.running() is None


def test_supervisor_lives_also_after_the_clock_was_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = StateFolder(tmp_path)

    with folder.lock():
        folder.write(own_state())
        created = psutil.Process().create_time()
        monkeypatch.setattr(psutil.Process, "create_time", lambda self: created + 3600)

        assert folder.running() == own_state()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"parts": []}', '{"parts": [{"new": 1}]}'])
def test_unreadable_state_is_no_state(tmp_path: Path, text: str) -> None:
    (tmp_path / "state.json").write_text(text)

    assert StateFolder(tmp_path).read() is None


def test_second_lock_is_refused_and_says_who_holds_it(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path)

    with folder.lock(), pytest.raises(StartupError, match=rf"supervisor pid {os.getpid()}.*just stop"), folder.lock():
        pass


def test_holder_of_the_lock_is_known_before_it_writes_a_state(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path)

    with folder.lock():
        inside = folder.supervisor()
        with contextlib.suppress(StartupError), folder.lock():
            pass
        after_a_refused_start = folder.supervisor()

    assert inside == after_a_refused_start == psutil.Process()
    assert folder.supervisor() is None


def test_question_who_holds_the_lock_does_not_refuse_a_start(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path)
    folder.make()
    with (tmp_path / "lock").open("a") as question:
        fcntl.flock(question, fcntl.LOCK_SH)
        asked = threading.Timer(0.03, fcntl.flock, (question, fcntl.LOCK_UN))
        asked.start()

        with folder.lock():
            assert folder.supervisor() == psutil.Process()
        asked.join()


def test_lock_is_free_again_after_its_holder(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path)
    with folder.lock():
        pass

    with folder.lock():
        pass


def test_folder_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(StartupError, match=r"state folder cannot be written .*ISOLANE_OPS_STATE_DIR"):
        StateFolder(tmp_path / "file" / "state").make()


def test_last_logs_are_set_aside(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path)
    folder.make()
    folder.log("gpu").write_text("old")

    folder.set_aside_logs()

    assert folder.log_names() == []
    assert (tmp_path / "logs" / "gpu.log.1").read_text() == "old"


def test_orphaned_grandchildren_are_found_and_ended_and_strangers_are_not(tmp_path: Path) -> None:
    marked = {**os.environ, "ISOLANE_STACK": str(tmp_path)}
    stranger = subprocess.Popen([sys.executable, "-c", SLEEP])
    subprocess.run([sys.executable, "-c", PARENT], env=marked, check=True)
    # While a process starts its program, its environment cannot be read.
    asyncio.run(eventually(lambda: leftovers.find(str(tmp_path))))

    found = leftovers.find(str(tmp_path))
    ended = leftovers.end(str(tmp_path), grace_s=5)

    try:
        assert len(found) == ended == 1
        assert leftovers.find(str(tmp_path)) == []
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_leftover_gets_the_time_to_end_in_order(tmp_path: Path) -> None:
    marked = {**os.environ, "ISOLANE_STACK": str(tmp_path)}
    orderly = (
        "import pathlib, signal, sys, time\n"
        "def end(*_): pathlib.Path('ended').touch(); sys.exit()\n"
        "signal.signal(signal.SIGTERM, end); print(flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", orderly], env=marked, cwd=tmp_path, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()

        leftovers.end(str(tmp_path), grace_s=10)

        assert (tmp_path / "ended").exists()


def test_leftover_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    marked = {**os.environ, "ISOLANE_STACK": str(tmp_path)}
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", deaf], env=marked, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()

        ended = leftovers.end(str(tmp_path), grace_s=0.2)

        assert ended == 1
        assert not psutil.pid_exists(process.pid)
