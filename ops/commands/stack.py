"""`isolane local`, `stop`, `status`, `logs`: the local stack from the command line."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import BinaryIO

import click

from ops.commands.options import json_option
from ops.local import leftovers
from ops.local.detach import start_detached
from ops.local.report import table
from ops.local.run import run_stack
from ops.local.state import StateFolder
from ops.local.stop import stop_stack
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
def stop() -> None:
    """End everything that `local` started, also when it was killed."""
    stop_stack(OpsSettings.load(), Progress())


@click.command()
@json_option
@click.pass_context
def status(context: click.Context, *, as_json: bool) -> None:
    """Say what of the local stack runs; exit status 1 when nothing does."""
    folder = StateFolder(OpsSettings.load().state_dir)
    state = folder.running()
    if as_json:
        click.echo(json.dumps({"running": bool(state), **(asdict(state) if state else {"orphans": _orphans(folder)})}))
    else:
        click.echo(table(state) if state else _why_none(folder))
    context.exit(0 if state else 1)


@click.command()
@click.argument("name")
@click.option("-f", "--follow", is_flag=True, help="Go on as the log grows, until Ctrl-C.")
@click.option("-n", "--lines", type=click.IntRange(min=0), default=20, show_default=True, help="Lines to begin with.")
def logs(*, name: str, follow: bool, lines: int) -> None:
    """Print the end of a part's log, or with the name `supervisor` of what a stack in the background said."""
    folder = StateFolder(OpsSettings.load().state_dir)
    path = folder.log(name)
    if name not in folder.log_names():
        known = ", ".join(folder.log_names()) or "none yet: `just local` writes them"
        raise StartupError(f"no log named {name!r}; there are: {known}")
    with path.open("rb") as file:
        for line in _last_lines(file, lines):
            click.echo(line)
        while follow:
            if text := file.read():
                click.echo(text, nl=False)
            time.sleep(_FOLLOW_S)


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
