"""A stack in the background: a supervisor process of its own, followed until it is ready."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import IO

from ops.local.state import SUPERVISOR, StateFolder
from ops.progress import Progress
from ops.settings import OpsSettings, inherited_environment
from services.common.errors import StartupError

_POLL_S = 0.05


def start_detached(settings: OpsSettings, progress: Progress) -> None:
    """Start a supervisor in the background and pass on what it says until its stack is ready.

    Raises:
        StartupError: a stack already runs here, or the new one ended before it was ready; its reason was passed on.
    """
    folder = StateFolder(settings.state_dir)
    folder.check_free()
    folder.set_aside_supervisor_log()
    output = folder.log(SUPERVISOR)
    with output.open("ab") as file:
        process = _spawn(settings, file)
    try:
        with output.open("rb") as file:
            _follow(process, folder, file, progress)
    except BaseException:
        process.terminate()
        raise


def _spawn(settings: OpsSettings, output: IO[bytes]) -> subprocess.Popen[bytes]:
    environ = inherited_environment() | {
        "ISOLANE_OPS_STATE_DIR": str(settings.state_dir),
        "ISOLANE_OPS_BACKEND": settings.backend,
        "PYTHONUNBUFFERED": "1",
    }
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "ops", "local"],  # -P: the current folder may hold anything
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def _follow(process: subprocess.Popen[bytes], folder: StateFolder, output: IO[bytes], progress: Progress) -> None:
    is_over = False
    while not is_over:
        state = folder.read()
        is_over = process.poll() is not None or bool(state and state.pid == process.pid and state.ready)
        time.sleep(_POLL_S)
        if text := output.read().decode(errors="replace"):
            progress.say(text.rstrip("\n"))
    if process.returncode is not None:
        raise StartupError("the stack did not start; the reason is above")
