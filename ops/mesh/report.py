"""What a mesh says of itself: agents, jobs, where things are, and what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ops.bootstrap import consul, nomad
from ops.client import Gateway
from ops.example import answered_example
from ops.mesh import jobs
from ops.mesh.agents import CONSUL, NOMAD, OPENBAO, Site
from ops.mesh.folder import MeshFolder
from ops.settings import OpsSettings
from ops.table import columns


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentState:
    """One agent."""

    name: str
    pid: int
    """0 when it does not run."""
    url: str
    """Of its API and UI."""
    log: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobState:
    """One job."""

    name: str
    status: str
    """As Nomad says: running, pending, dead, missing; unknown when Nomad does not answer."""
    running: int
    """Instances that run."""
    passing: int
    """Instances that Consul sends callers to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeshState:
    """A mesh now."""

    gateway: str
    agents: tuple[AgentState, ...]
    jobs: tuple[JobState, ...]
    problems: tuple[str, ...]

    @property
    def is_healthy(self) -> bool:
        """True when every agent runs and every job has an instance that gets calls."""
        return all(agent.pid for agent in self.agents) and all(job.passing for job in self.jobs)

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {"healthy": self.is_healthy, **asdict(self)}


def state(site: Site, settings: OpsSettings) -> MeshState:
    """Ask agents, Nomad and Consul; whoever does not answer is a problem, not an error."""
    urls = {"openbao": f"{OPENBAO}/ui", "consul": f"{CONSUL}/ui", "nomad": f"{NOMAD}/ui"}
    found, problems = _jobs(site.folder)
    agents = []
    for agent in site.agents():
        process = agent.process()
        agents.append(
            AgentState(name=agent.name, pid=process.pid if process else 0, url=urls[agent.name], log=str(agent.log))
        )
        if process is None:
            remedy = "just start" if site.folder.is_ready else "just dev"
            problems.append(f"{agent.title} does not run: `{remedy}` starts it")
    return MeshState(
        gateway=f"http://127.0.0.1:{settings.mesh_gateway_port}",
        agents=tuple(agents),
        jobs=found,
        problems=tuple(problems),
    )


def table(mesh: MeshState) -> str:
    """For people."""
    agents = [("AGENT", "PID", "UI", "LOG")]
    agents += [(one.name, str(one.pid or "-"), one.url, one.log) for one in mesh.agents]
    rows = [("JOB", "STATUS", "RUNNING", "PASSING")]
    rows += [(job.name, job.status, str(job.running), str(job.passing)) for job in mesh.jobs]
    parts = [columns(agents), columns(rows), f"gateway {mesh.gateway}", *mesh.problems]
    return "\n\n".join(parts[:3]) + "".join(f"\n{line}" for line in parts[3:])


def welcome(mesh: MeshState, gateway: Gateway) -> str:
    """What a person sees once a mesh is up; asks the gateway the very thing that its example line asks."""
    return "\n".join(
        [
            "",
            table(mesh),
            "",
            answered_example(gateway),
            "",
            "A token for a UI: `just token consul`, `just token nomad`, `just token openbao`.",
            "`just status`, `just logs NAME`, `just health`; `just stop` ends everything.",
        ]
    )


def _jobs(folder: MeshFolder) -> tuple[tuple[JobState, ...], list[str]]:
    problems: list[str] = []
    statuses = dict.fromkeys(jobs.PARTS, ("unknown", 0))
    passing = dict.fromkeys(jobs.PARTS, 0)
    if not folder.has_secret("nomad-bootstrap.token"):  # looking must not make one up
        problems.append("the mesh is not set up whole: wait for `just dev`, or run it again")
        return _states(statuses, passing), problems
    try:
        nomads = nomad.connect(NOMAD, folder.token("nomad-bootstrap.token"))
        statuses = {part: nomad.job_state(nomads, part) for part in jobs.PARTS}
    except nomad.Failures as exc:
        problems.append(f"Nomad does not answer: {type(exc).__name__}")
    try:
        consuls = consul.connect(CONSUL, folder.token("consul-bootstrap.token"))
        passing = {part: consul.passing(consuls, part) for part in jobs.PARTS}
        problems += consul.problems(consuls)
    except consul.Failures as exc:
        problems.append(f"Consul does not answer: {type(exc).__name__}")
    return _states(statuses, passing), problems


def _states(statuses: Mapping[str, tuple[str, int]], passing: Mapping[str, int]) -> tuple[JobState, ...]:
    return tuple(
        JobState(name=part, status=statuses[part][0], running=statuses[part][1], passing=passing[part])
        for part in jobs.PARTS
    )
