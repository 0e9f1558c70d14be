"""`isolane dev`, `start`, `token`: the dev mesh from the command line."""

from __future__ import annotations

import os
from typing import Literal

import click

from ops.bootstrap import consul, nomad, openbao
from ops.client import Gateway
from ops.mesh.agents import CONSUL, NOMAD, OPENBAO, site_of
from ops.mesh.folder import MeshFolder
from ops.mesh.jobs import PARTS
from ops.mesh.report import MeshState, state, welcome
from ops.mesh.up import make_site, start_agents, start_mesh
from ops.progress import Progress
from ops.settings import Backend, OpsSettings
from services.common.errors import StartupError

_ENVOY = "-envoy"


@click.command()
@click.option("--backend", type=click.Choice(["real", "fake"]), help="fake: no weights, made-up results.")
def dev(*, backend: Backend | None) -> None:
    """Start the dev mesh (OpenBao, Consul, Nomad, every part as a job), or bring it up to date; needs root."""
    settings, progress = OpsSettings.load(), Progress()
    if backend:
        settings = settings.model_copy(update={"backend": backend})
    start_mesh(settings, progress)
    found = state(site_of(MeshFolder(settings.mesh_dir)), settings)
    with Gateway(found.gateway) as gateway:
        progress.say(welcome(found, gateway))


@click.command()
def start() -> None:
    """Start the agents of the dev mesh that do not run, and nothing else."""
    settings, progress = OpsSettings.load(), Progress()
    folder = running_folder(settings)
    with folder.lock():
        start_agents(make_site(folder, progress), progress)
    progress.say("OpenBao, Consul and Nomad run")


@click.command()
@click.argument("agent", type=click.Choice(["openbao", "consul", "nomad"]))
def token(*, agent: Literal["openbao", "consul", "nomad"]) -> None:
    """Make an operator's token for a UI, good for twelve hours, and print it."""
    folder = running_folder(OpsSettings.load())
    click.echo(_make_token(agent, folder))


def running_folder(settings: OpsSettings) -> MeshFolder:
    """The mesh's folder; StartupError when no whole mesh is there."""
    folder = MeshFolder(settings.mesh_dir)
    if os.geteuid() != 0:
        raise StartupError("the dev mesh belongs to root; use sudo")
    if not folder.is_ready:
        raise StartupError("no dev mesh runs here; `just dev` starts one")
    return folder


def mesh_state(settings: OpsSettings) -> MeshState | None:
    """The mesh now; None when there is none, or only root could see it."""
    folder = MeshFolder(settings.mesh_dir)
    if os.geteuid() != 0 or not folder.exists:
        return None
    return state(site_of(folder), settings)


def show_job_logs(name: str, *, follow: bool, lines: int) -> None:
    """Become Nomad's own command for a job's log; with the ending -envoy that of its sidecar."""
    folder = MeshFolder(OpsSettings.load().mesh_dir)
    job = name.removesuffix(_ENVOY)
    if job not in PARTS:
        raise StartupError(f"{name} has written no log yet")
    task = f"connect-proxy-{job}" if name.endswith(_ENVOY) else job
    command = [str(folder.bin / "nomad"), "alloc", "logs", "-stderr", "-job", "-tail", "-n", str(lines)]
    command += [*(["-f"] if follow else []), job, task]
    environ = {"NOMAD_ADDR": NOMAD, "NOMAD_TOKEN": folder.secret("nomad-bootstrap.token"), "PATH": os.defpath}
    os.execve(command[0], command, environ)  # noqa: S606 - no shell


def mesh_log_names(folder: MeshFolder) -> list[str]:
    """What `logs` knows of a mesh: agents, jobs, and the jobs' sidecars."""
    agents = [agent.name for agent in site_of(folder).agents()]
    return [*agents, *PARTS, *(f"{part}{_ENVOY}" for part in PARTS)]


def _make_token(agent: str, folder: MeshFolder) -> str:
    module = {"openbao": openbao, "consul": consul, "nomad": nomad}[agent]
    try:
        if agent == "openbao":
            return openbao.make_operator_token(openbao.connect(OPENBAO, folder.secret("openbao-bootstrap.token")))
        if agent == "consul":
            return consul.make_operator_token(consul.connect(CONSUL, folder.token("consul-bootstrap.token")))
        return nomad.make_operator_token(nomad.connect(NOMAD, folder.token("nomad-bootstrap.token")))
    except module.Failures as exc:
        raise module.explain(exc, "making a token") from exc
