"""What `isolane` says and does about a dev mesh; none is started, and this machine's own is out of reach."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from click.testing import CliRunner, Result

from ops import leftovers
from ops.bootstrap import consul, nomad, openbao
from ops.cli import cli
from ops.client import Gateway
from ops.commands import stack as stack_commands
from ops.local.state import StateFolder
from ops.mesh import down, jobs, machine, report
from ops.mesh.agent import Agent
from ops.mesh.agents import site_of
from ops.mesh.down import stop_mesh
from ops.mesh.folder import MeshFolder
from ops.mesh.report import AgentState, JobState, MeshState, table, welcome
from ops.progress import Progress
from ops.settings import OpsSettings
from services.common.errors import StartupError

AGENTS = tuple(
    AgentState(name=name, pid=pid, url=f"http://127.0.0.1:{port}/ui", log=f"/m/logs/{name}.log")
    for name, pid, port in (("openbao", 11, 8200), ("consul", 12, 8500), ("nomad", 13, 4646))
)
JOBS = tuple(JobState(name=part, status="running", running=1, passing=1) for part in jobs.PARTS)
HEALTHY = MeshState(gateway="http://127.0.0.1:8090", agents=AGENTS, jobs=JOBS, problems=())


@pytest.fixture(autouse=True)
def out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test may ask or change what runs on this machine."""

    def refuse(*args: Any, **options: Any) -> Any:
        raise AssertionError("a test reached the machine")

    for target in ("run", "restore"):
        monkeypatch.setattr(machine, target, refuse)
    monkeypatch.setattr(leftovers, "end", refuse)
    monkeypatch.setattr(down, "has_nomad_leader", lambda: False)
    for module in (nomad, consul, openbao):
        monkeypatch.setattr(module, "connect", lambda *args: SimpleNamespace(connected=args))


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OpsSettings:
    monkeypatch.setenv("ISOLANE_OPS_MESH_DIR", str(tmp_path / "mesh"))
    monkeypatch.setenv("ISOLANE_OPS_STATE_DIR", str(tmp_path / "local"))
    monkeypatch.setattr("ops.mesh.folder._LONGEST", 1000)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return OpsSettings.load()


@pytest.fixture
def folder(settings: OpsSettings) -> MeshFolder:
    """A mesh that was set up whole and whose agents do not run."""
    folder = MeshFolder(settings.mesh_dir)
    folder.make()
    folder.note_before(lambda: {"root": "/checkout"})
    folder.write_secret("openbao-bootstrap.token", "bao")
    folder.write_secret("consul-bootstrap.token", "consul-management")
    folder.write_secret("nomad-bootstrap.token", "nomad-management")
    folder.set_ready()
    return folder


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """What Nomad and Consul answer."""
    told = SimpleNamespace(state=("running", 1), passing=1, problems=[])
    monkeypatch.setattr(nomad, "job_state", lambda client, part: told.state)
    monkeypatch.setattr(consul, "passing", lambda client, part: told.passing)
    monkeypatch.setattr(consul, "problems", lambda client: told.problems)
    return told


def isolane(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments)


def raises(failure: Exception) -> Callable[..., Any]:
    def fail(*args: Any, **options: Any) -> Any:
        raise failure

    return fail


def noting(calls: list[str], name: str, *answers: Any) -> Callable[..., Any]:
    """A function that notes its name and answers one after the other, the last one again and again."""
    left = list(answers) or [None]

    def note(*args: Any, **options: Any) -> Any:
        calls.append(name)
        return left.pop(0) if len(left) > 1 else left[0]

    return note


def test_mesh_is_healthy_when_all_agents_run_and_every_job_gets_calls() -> None:
    silent = (JobState(name="gpu", status="running", running=1, passing=0), *JOBS[1:])
    ended = (AgentState(name="openbao", pid=0, url="", log=""), *AGENTS[1:])

    assert HEALTHY.is_healthy
    assert not MeshState(gateway="", agents=AGENTS, jobs=silent, problems=()).is_healthy
    assert not MeshState(gateway="", agents=ended, jobs=JOBS, problems=()).is_healthy


def test_table_lists_agents_jobs_gateway_and_problems() -> None:
    mesh = MeshState(
        gateway=HEALTHY.gateway,
        agents=(AgentState(name="consul", pid=0, url="u", log="l"), *AGENTS[1:]),
        jobs=JOBS,
        problems=("Consul does not run: `just start` starts it", "gpu gpu answers: refused"),
    )

    lines = table(mesh).splitlines()

    assert [line.split()[:2] for line in lines[:2]] == [["AGENT", "PID"], ["consul", "-"]]
    assert "gateway    running  1        1" in lines
    assert lines[-3:] == ["gateway http://127.0.0.1:8090", *mesh.problems]


def test_state_of_a_mesh_whose_agents_ended_says_how_to_start_them(
    folder: MeshFolder, settings: OpsSettings, told: SimpleNamespace
) -> None:
    told.problems = ["gpu gpu answers: refused"]

    found = report.state(site_of(folder), settings)

    assert found.problems == (
        "gpu gpu answers: refused",
        *(f"{name} does not run: `just start` starts it" for name in ("OpenBao", "Consul", "Nomad")),
    )
    assert {job.status for job in found.jobs} == {"running"}


def test_state_is_told_also_when_nobody_answers(
    folder: MeshFolder, settings: OpsSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nomad, "job_state", raises(nomad.Failures[0]("refused")))
    monkeypatch.setattr(consul, "passing", raises(consul.Failures[0]("refused")))

    found = report.state(site_of(folder), settings)

    assert [problem for problem in found.problems if "does not answer" in problem] == [
        "Nomad does not answer: BaseNomadException",
        "Consul does not answer: ConsulException",
    ]
    assert {(job.status, job.passing) for job in found.jobs} == {("unknown", 0)}


def test_looking_at_a_mesh_that_is_not_set_up_whole_makes_no_token_up(
    folder: MeshFolder, settings: OpsSettings, told: SimpleNamespace
) -> None:
    folder.secret_file("nomad-bootstrap.token").unlink()

    found = report.state(site_of(folder), settings)

    assert found.problems[0] == "the mesh is not set up whole: wait for `just dev`, or run it again"
    assert {(job.status, job.passing) for job in found.jobs} == {("unknown", 0)}
    assert not folder.has_secret("nomad-bootstrap.token")


def test_agents_that_another_checkout_started_are_looked_for_by_its_paths(folder: MeshFolder) -> None:
    assert [agent.command[2] for agent in site_of(folder).agents()] == [
        "-config=/checkout/vault/openbao.hcl",
        "-config-file=/checkout/consul/agent.hcl",
        "-config=/checkout/nomad/agent.hcl",
    ]


def test_running_agent_is_told_with_its_pid(
    folder: MeshFolder, settings: OpsSettings, told: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Agent, "process", lambda agent: SimpleNamespace(pid=7))

    found = report.state(site_of(folder), settings)

    assert [agent.pid for agent in found.agents] == [7, 7, 7]
    assert found.is_healthy
    assert found.gateway == "http://127.0.0.1:8090"


def test_welcome_shows_an_answer_of_the_gateway_and_how_to_get_a_token() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v1/models":
            return httpx.Response(200, json={"data": [{"id": "mini", "service": "embedding"}]})
        return httpx.Response(200, json={"data": [{"index": 0, "embedding": [0.5] * 384}], "model": "mini"})

    with Gateway(HEALTHY.gateway, transport=httpx.MockTransport(answer)) as gateway:
        text = welcome(HEALTHY, gateway)

    assert "curl -s http://127.0.0.1:8090/v1/embeddings" in text
    assert "… 380 more]" in text
    assert "`just token consul`" in text


def test_status_is_json_for_programs(folder: MeshFolder, told: SimpleNamespace) -> None:
    done = isolane("status", "--json")

    mesh = json.loads(done.output)["mesh"]
    assert done.exit_code == 0
    assert mesh["healthy"] is False
    assert mesh["jobs"][0] == {"name": "gpu", "status": "running", "running": 1, "passing": 1}


def test_status_for_people_is_the_table(folder: MeshFolder, told: SimpleNamespace) -> None:
    done = isolane("status")

    assert done.exit_code == 0
    assert done.output.startswith("AGENT    PID  UI")
    assert "`just start` starts it" in done.output


def test_status_of_nothing_fails(settings: OpsSettings) -> None:
    done = isolane("status")

    assert (done.exit_code, done.output) == (1, "nothing runs here; `just local` starts a stack\n")


def test_logs_knows_agents_jobs_and_sidecars(folder: MeshFolder) -> None:
    done = isolane("logs", "redis")

    assert done.exit_code == 1
    assert done.stderr.strip().endswith(
        "there are: openbao, consul, nomad, gpu, embedding, reranking, documents, gateway, "
        "gpu-envoy, embedding-envoy, reranking-envoy, documents-envoy, gateway-envoy"
    )


def test_log_of_an_agent_is_its_file(folder: MeshFolder) -> None:
    folder.log("consul").write_text("".join(f"line {number}\n" for number in range(50)))

    assert isolane("logs", "consul", "-n", "2").output == "line 48\nline 49\n"


@pytest.mark.parametrize(
    ("arguments", "tail"),
    [
        (["gpu"], ["-n", "20", "gpu", "gpu"]),
        (["gpu-envoy", "-f", "-n", "5"], ["-n", "5", "-f", "gpu", "connect-proxy-gpu"]),
    ],
)
def test_log_of_a_job_is_asked_of_nomad_with_the_token_out_of_sight(
    folder: MeshFolder, monkeypatch: pytest.MonkeyPatch, arguments: list[str], tail: list[str]
) -> None:
    became: list[tuple[str, list[str], dict[str, str]]] = []

    def become(program: str, command: list[str], environ: dict[str, str]) -> None:
        became.append((program, command, environ))
        raise SystemExit(0)

    monkeypatch.setattr(os, "execve", become)

    isolane("logs", *arguments)

    program, command, environ = became[0]
    token = folder.secret("nomad-bootstrap.token")
    assert program == str(folder.bin / "nomad")
    assert command[-len(tail) :] == tail
    assert environ["NOMAD_TOKEN"] == token
    assert token not in " ".join(command)


@pytest.mark.parametrize(("agent", "module"), [("openbao", openbao), ("consul", consul), ("nomad", nomad)])
def test_token_of_an_operator_is_printed_alone(
    folder: MeshFolder, monkeypatch: pytest.MonkeyPatch, agent: str, module: Any
) -> None:
    monkeypatch.setattr(module, "make_operator_token", lambda client: f"{agent}:{client.connected[1]}")

    done = isolane("token", agent)

    assert done.output == f"{agent}:{folder.secret(f'{agent}-bootstrap.token')}\n"


def test_token_that_cannot_be_made_is_told_in_one_line(folder: MeshFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consul, "make_operator_token", raises(consul.Failures[0]("403 Permission denied")))

    done = isolane("token", "consul")

    assert done.exit_code == 1
    assert done.stderr.startswith("isolane: Consul, making a token: 403 Permission denied; ")


@pytest.mark.parametrize("command", [["start"], ["token", "nomad"]])
def test_what_needs_a_mesh_says_how_to_get_one(settings: OpsSettings, command: list[str]) -> None:
    done = isolane(*command)

    assert (done.exit_code, done.stderr) == (1, "isolane: no dev mesh runs here; `just dev` starts one\n")


@pytest.mark.parametrize("command", [["start"], ["token", "nomad"]])
def test_what_needs_root_says_so(folder: MeshFolder, monkeypatch: pytest.MonkeyPatch, command: list[str]) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    done = isolane(*command)

    assert (done.exit_code, done.stderr) == (1, "isolane: the dev mesh belongs to root; use sudo\n")


def test_other_users_status_and_logs_are_of_the_local_stack(
    folder: MeshFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    assert isolane("status").output == "nothing runs here; `just local` starts a stack\n"
    assert "none yet: `just local` writes them" in isolane("logs", "consul").stderr


@pytest.mark.parametrize(
    ("arguments", "user", "has_mesh", "ended"),
    [
        ([], 0, True, ["mesh"]),
        ([], 0, False, ["mesh?", "local"]),
        ([], 1000, False, ["local"]),
        (["mesh"], 0, True, ["mesh"]),
        (["mesh"], 0, False, ["mesh?"]),
        (["local"], 0, True, ["local"]),
    ],
)
def test_stop_ends_what_was_named(
    settings: OpsSettings,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    user: int,
    has_mesh: bool,
    ended: list[str],
) -> None:
    calls: list[str] = []
    said = io.StringIO()
    monkeypatch.setattr(os, "geteuid", lambda: user)
    monkeypatch.setattr(stack_commands, "Progress", lambda: Progress(said))
    monkeypatch.setattr(stack_commands, "stop_mesh", noting(calls, "mesh" if has_mesh else "mesh?", has_mesh))
    monkeypatch.setattr(stack_commands, "stop_stack", noting(calls, "local"))

    done = isolane("stop", *arguments)

    assert (done.exit_code, calls) == (0, ended)
    assert (said.getvalue() == "no dev mesh runs here\n") is (ended == ["mesh?"])


@pytest.mark.parametrize(
    ("arguments", "ended"), [([], ["mesh", "local"]), (["mesh"], ["mesh"]), (["local"], ["local"])]
)
def test_stop_ends_both_unless_one_is_named(
    settings: OpsSettings, monkeypatch: pytest.MonkeyPatch, arguments: list[str], ended: list[str]
) -> None:
    calls: list[str] = []
    monkeypatch.setattr(StateFolder, "read", lambda folder: "a local stack")
    monkeypatch.setattr(stack_commands, "stop_mesh", noting(calls, "mesh", True))
    monkeypatch.setattr(stack_commands, "stop_stack", noting(calls, "local"))

    isolane("stop", *arguments)

    assert calls == ended


def test_only_root_may_stop_the_mesh(settings: OpsSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    done = isolane("stop", "mesh")

    assert (done.exit_code, done.stderr) == (1, "isolane: the dev mesh belongs to root; use sudo\n")


def test_stop_of_something_else_is_refused(settings: OpsSettings) -> None:
    done = isolane("stop", "gpu")

    assert done.exit_code == 2
    assert "'gpu' is not one of 'local', 'mesh'" in done.stderr


def test_no_mesh_is_ended_where_there_is_none(settings: OpsSettings) -> None:
    assert stop_mesh(settings, Progress()) is False


def test_mesh_is_ended_and_its_folder_cleared(
    folder: MeshFolder, settings: OpsSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leftovers, "end", lambda stack, grace_s: 3)
    monkeypatch.setattr(machine, "restore", lambda folder: [])

    assert stop_mesh(settings, Progress()) is True
    assert not folder.exists


def test_mesh_that_left_something_is_remembered_until_it_is_gone(
    folder: MeshFolder, settings: OpsSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leftovers, "end", lambda stack, grace_s: 0)
    monkeypatch.setattr(machine, "restore", lambda folder: ["the mount /m", "the interface nomad"])

    with pytest.raises(
        StartupError, match=r"could not be removed: the mount /m; the interface nomad; remove it by hand"
    ):
        stop_mesh(settings, Progress())

    assert folder.exists


def test_jobs_drain_before_the_agents_end(
    folder: MeshFolder, settings: OpsSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    folder.token("nomad-bootstrap.token")
    monkeypatch.setattr(down, "_POLL_S", 0)
    monkeypatch.setattr(down, "has_nomad_leader", lambda: True)
    monkeypatch.setattr(nomad, "stop_all", noting(order, "stop", ["gpu"]))
    monkeypatch.setattr(nomad, "live_allocations", noting(order, "ask", ["gpu", "gpu"], ["gpu"], []))
    monkeypatch.setattr(leftovers, "end", noting(order, "end", 1))
    monkeypatch.setattr(machine, "restore", noting(order, "restore", []))

    stop_mesh(settings, Progress())

    assert order == ["stop", "ask", "ask", "ask", "end", "restore"]


def test_mesh_is_ended_also_when_nomad_fails(
    folder: MeshFolder, settings: OpsSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.token("nomad-bootstrap.token")
    monkeypatch.setattr(down, "has_nomad_leader", lambda: True)
    monkeypatch.setattr(nomad, "stop_all", raises(nomad.Failures[0]("no leader")))
    monkeypatch.setattr(leftovers, "end", lambda stack, grace_s: 1)
    monkeypatch.setattr(machine, "restore", lambda folder: [])

    assert stop_mesh(settings, Progress()) is True


def test_token_of_something_else_is_refused(folder: MeshFolder) -> None:
    done = isolane("token", "envoy")

    assert done.exit_code == 2
    assert "'openbao', 'consul', 'nomad'" in done.stderr
