"""Ending a mesh: jobs, agents, and everything that they left on the machine."""

from __future__ import annotations

import time

from ops import leftovers
from ops.bootstrap import nomad
from ops.mesh import machine
from ops.mesh.agents import NOMAD, has_nomad_leader
from ops.mesh.folder import MeshFolder
from ops.progress import Progress
from ops.settings import OpsSettings
from services.common.errors import StartupError

_DRAIN_LIMIT_S = 20.0
_GRACE_S = 5.0
_RESTORE_LIMIT_S = 10.0
_POLL_S = 0.2


def stop_mesh(settings: OpsSettings, progress: Progress) -> bool:
    """End a mesh and put the machine back as it was, also after a start that was cut off; False when there was none.

    Raises:
        StartupError: something could not be removed; the message names it.
    """
    folder = MeshFolder(settings.mesh_dir)
    if not folder.exists and not leftovers.find(str(folder.path)):
        return False
    with folder.lock():
        folder.unset_ready()  # cut off from here on, the next start cleans up first
        _stop_jobs(folder, progress)
        clean(folder, progress)
    return True


def clean(folder: MeshFolder, progress: Progress) -> None:
    """Kill what runs and remove what it left.

    Raises:
        StartupError: something could not be removed; the message names it.
    """
    ended = leftovers.end(str(folder.path), _GRACE_S)
    if alive := [str(process.pid) for process in leftovers.find(str(folder.path))]:
        raise StartupError(f"processes that do not end: {', '.join(alive)}; end them and run `just stop` again")
    until_s = time.monotonic() + _RESTORE_LIMIT_S
    while (left := machine.restore(folder)) and time.monotonic() < until_s:
        time.sleep(_POLL_S)  # what a killed process held is free a moment after its end
    if left:
        raise StartupError(f"could not be removed: {'; '.join(left)}; remove it by hand and run `just stop` again")
    folder.clear()
    progress.say(f"ended {ended} processes, put bridge, namespaces, mounts and firewall back as they were")


def _stop_jobs(folder: MeshFolder, progress: Progress) -> None:
    """Let the parts drain; without an answering Nomad they are killed with the rest."""
    if not folder.has_secret("nomad-bootstrap.token") or not has_nomad_leader():
        return
    client = nomad.connect(NOMAD, folder.token("nomad-bootstrap.token"))
    try:
        progress.say(f"stopping {', '.join(nomad.stop_all(client)) or 'no job'}")
        until_s = time.monotonic() + _DRAIN_LIMIT_S
        while (names := nomad.live_allocations(client)) and time.monotonic() < until_s:
            progress.waiting(f"waiting for {', '.join(sorted(set(names)))} to end")
            time.sleep(_POLL_S)
    except nomad.Failures as exc:
        progress.say(f"{nomad.explain(exc, 'stopping the jobs')}: killing them")
    progress.done()
