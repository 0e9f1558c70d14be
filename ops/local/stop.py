"""Ending a stack from outside, whether or not its supervisor still lives."""

from __future__ import annotations

import contextlib
import time

import psutil

from ops import leftovers
from ops.local.state import StateFolder
from ops.progress import Progress
from ops.settings import OpsSettings

_POLL_S = 0.1
_SLACK_S = 5.0
"""The supervisor gets its own grace, and this for itself."""


def stop_stack(settings: OpsSettings, progress: Progress) -> None:
    """End the supervisor, which ends its parts; then whatever it left behind."""
    folder = StateFolder(settings.state_dir)
    supervisor = folder.supervisor()
    if supervisor:
        _end_supervisor(supervisor, settings.stop_grace_s + _SLACK_S, progress)
    ended = leftovers.end(str(folder.path), settings.stop_grace_s)
    folder.clear()
    progress.say(_summary(supervisor, ended))


def _end_supervisor(supervisor: psutil.Process, limit_s: float, progress: Progress) -> None:
    with contextlib.suppress(psutil.Error):
        supervisor.terminate()
        until_s = time.monotonic() + limit_s
        while supervisor.is_running() and supervisor.status() != psutil.STATUS_ZOMBIE and time.monotonic() < until_s:
            progress.waiting(f"waiting for the supervisor (pid {supervisor.pid}) to end everything")
            time.sleep(_POLL_S)
    progress.done()
    with contextlib.suppress(psutil.Error):
        supervisor.kill()


def _summary(supervisor: psutil.Process | None, ended: int) -> str:
    if supervisor and not ended:
        return "everything ended"
    return f"ended {ended} processes that the supervisor left behind" if ended else "nothing runs here"
