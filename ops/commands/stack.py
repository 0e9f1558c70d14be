"""`isolane local`, and `stop`, `status`, `logs` of whatever runs: the local stack, the dev mesh, or both."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import BinaryIO, Literal

import click

from ops import leftovers
from ops.commands.mesh import mesh_log_names, mesh_state, show_job_logs
from ops.commands.options import json_option
from ops.local.detach import start_detached
from ops.local.report import table
from ops.local.run import run_stack
from ops.local.state import StateFolder
from ops.local.stop import stop_stack
from ops.mesh.down import stop_mesh
from ops.mesh.folder import MeshFolder
from ops.mesh.report import table as mesh_table
from ops.progress import Progress
from ops.settings import Backend, OpsSettings
from services.common.errors import StartupError

_FOLLOW_S = 0.2


@click.command()
@click.option(
    "--backend", type=click.Choice(["real", "fake"]), help="fake: no weights, made-up results; to try the API."
)
@click.option("--detach", is_flag=True, help="Return once everything is healthy and leave it running.")
def local(*, backend: Backend | None, detach: bool) -> None:
    """Start every part on this machine, and keep them running until Ctrl-C."""
    settings = OpsSettings.load()
    if backend:
        settings = settings.model_copy(update={"backend": backend})
    run = start_detached if detach else run_stack
    run(settings, Progress())


@click.command()
@click.argument("what", type=click.Choice(["local", "mesh"]), required=False)
def stop(*, what: Literal["local", "mesh"] | None) -> None:
    """End everything that `local` and `dev` started, also when it was killed; or only WHAT."""
    settings, progress = OpsSettings.load(), Progress()
    if what == "mesh" and os.geteuid() != 0:
        raise StartupError("the dev mesh belongs to root; use sudo")
    is_mesh = False
    try:
        # Only root can have a mesh; for others there is none to end.
        if what != "local" and os.geteuid() == 0:
            is_mesh = stop_mesh(settings, progress)
    finally:
        if what != "mesh" and (_has_local(settings) or not is_mesh):
            stop_stack(settings, progress)
    if what == "mesh" and not is_mesh:
        progress.say("no dev mesh runs here")


@click.command()
@json_option
@click.pass_context
def status(context: click.Context, *, as_json: bool) -> None:
    """Say what of the local stack and of the dev mesh runs; exit status 1 when nothing does."""
    settings = OpsSettings.load()
    folder = StateFolder(settings.state_dir)
    state, mesh = folder.running(), mesh_state(settings)
    if as_json:
        local_state = asdict(state) if state else {"orphans": _orphans(folder)}
        click.echo(json.dumps({"running": bool(state), **local_state, "mesh": mesh.as_json() if mesh else None}))
    else:
        texts = [table(state)] if state else []
        texts += [mesh_table(mesh)] if mesh else []
        click.echo("\n\n".join(texts) or _why_none(folder))
    context.exit(0 if state or mesh else 1)


@click.command()
@click.argument("name")
@click.option("-f", "--follow", is_flag=True, help="Go on as the log grows, until Ctrl-C.")
@click.option("-n", "--lines", type=click.IntRange(min=0), default=20, show_default=True, help="Lines to begin with.")
@click.option("--local", "is_local", is_flag=True, help="Of the local stack, though a dev mesh runs.")
def logs(*, name: str, follow: bool, lines: int, is_local: bool) -> None:
    """Print the end of a part's log: of the dev mesh when one runs and --local is not given, else of the local stack.

    NAME is a part; `supervisor` is what a local stack in the background said. Of a mesh also openbao, consul, nomad,
    and the sidecars, for example embedding-envoy.
    """
    settings = OpsSettings.load()
    mesh = None if is_local else _mesh_folder(settings)
    folder = StateFolder(settings.state_dir)
    names = mesh_log_names(mesh) if mesh else folder.log_names()
    if name not in names:
        known = ", ".join(names) or "none yet: `just local` writes them"
        raise StartupError(f"no log named {name!r}; there are: {known}")
    path = mesh.log(name) if mesh else folder.log(name)
    if mesh and not path.exists():
        show_job_logs(name, follow=follow, lines=lines)
    with path.open("rb") as file:
        for line in _last_lines(file, lines):
            click.echo(line)
        while follow:
            if text := file.read():
                click.echo(text, nl=False)
            time.sleep(_FOLLOW_S)


def _mesh_folder(settings: OpsSettings) -> MeshFolder | None:
    folder = MeshFolder(settings.mesh_dir)
    return folder if os.geteuid() == 0 and folder.exists else None


def _has_local(settings: OpsSettings) -> bool:
    """True when a local stack runs here or left something."""
    folder = StateFolder(settings.state_dir)
    return bool(folder.read() or folder.supervisor() or leftovers.find(str(folder.path)))


def _orphans(folder: StateFolder) -> list[int]:
    """Pids of the processes that a killed supervisor left."""
    return sorted(process.pid for process in leftovers.find(str(folder.path)))


def _why_none(folder: StateFolder) -> str:
    if orphans := _orphans(folder):
        return f"the supervisor was killed, {len(orphans)} processes still run; `just stop` ends them"
    return "nothing runs here; `just local` starts a stack"


def _last_lines(file: BinaryIO, count: int) -> Iterator[bytes]:
    """The last lines of a file, which is left at its end."""
    end = file.seek(0, os.SEEK_END)
    size = 4096
    while True:
        file.seek(max(0, end - size))
        found = file.read(end - max(0, end - size)).splitlines()
        if len(found) > count or size >= end:
            yield from found[-count:] if count else []
            return
        size *= 4
