from __future__ import annotations

import io
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from ops import leftovers
from ops.mesh.agent import Agent
from ops.progress import Progress
from services.common.errors import StartupError

SLEEP = "import time; time.sleep(60)"
CHILD = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(60)', 'child'])"
DIES = "import sys; print('x' * 5000); print('\\n'.join(f'line {n}' for n in range(20))); print('no key'); sys.exit(1)"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
)

pytestmark = pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")  # as it should be


class Stage:
    """Agents of one mesh; what they started is killed at the end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def agent(self, name: str, script: str = SLEEP) -> Agent:
        return Agent(
            name=name,
            title=name.capitalize(),
            command=[sys.executable, "-c", script, name],
            log=self.folder / f"{name}.log",
            stack=str(self.folder),
            environ={"PATH": os.defpath},
        )


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    yield Stage(tmp_path)
    leftovers.end(str(tmp_path), 0.1)


def wait_for(condition: object) -> None:
    until_s = time.monotonic() + 20
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < until_s
        time.sleep(0.01)


def started(agent: Agent) -> psutil.Process:
    """Start an agent and wait until it is the program itself."""
    agent.start()
    wait_for(agent.process)
    process = agent.process()
    assert process
    return process


def test_each_agent_is_found_by_its_own_command_line(stage: Stage) -> None:
    agents = [stage.agent(name) for name in ("openbao", "consul", "nomad")]

    pids = [started(agent).pid for agent in agents]

    assert len(set(pids)) == 3
    assert [process.pid for agent in agents if (process := agent.process())] == pids
    assert stage.agent("vault").process() is None


def test_agent_of_another_mesh_is_not_found(stage: Stage, tmp_path: Path) -> None:
    agent = stage.agent("consul")
    started(agent)
    other = Agent(name="consul", title="Consul", command=agent.command, log=agent.log, stack=str(tmp_path / "other"))

    assert other.process() is None


def test_agent_that_runs_is_not_started_again(stage: Stage) -> None:
    agent = stage.agent("consul")
    first = started(agent)

    agent.start()

    assert [process.pid for process in leftovers.find(str(stage.folder))] == [first.pid]


def test_agent_gets_its_environment_and_nothing_of_ours(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAULT_TOKEN", "ours")

    environ = started(stage.agent("nomad")).environ()

    # Python's own start may add a variable of the locale.
    assert {key: value for key, value in environ.items() if not key.startswith("LC_")} == {
        "PATH": os.defpath,
        leftovers.MARKER: str(stage.folder),
    }


def test_agent_outlives_the_session_of_the_command(stage: Stage) -> None:
    process = started(stage.agent("nomad"))

    assert os.getsid(process.pid) == process.pid


def test_agent_that_cannot_be_started_is_told_with_its_log(stage: Stage) -> None:
    agent = Agent(name="nomad", title="Nomad", command=["/none/nomad"], log=stage.folder / "nomad.log", stack="none")

    with pytest.raises(StartupError, match=r"Nomad cannot be started .*nomad\.log: No such file"):
        agent.start()


def test_wait_ends_when_the_agent_is_ready(stage: Stage) -> None:
    agent = stage.agent("consul")
    started(agent)
    answers = iter([False, True])

    agent.wait(lambda: next(answers), 20, Progress(io.StringIO()))

    assert next(answers, None) is None


def test_agent_that_dies_is_told_with_the_end_of_its_log(stage: Stage) -> None:
    agent = stage.agent("openbao", DIES)
    agent.start()

    with pytest.raises(StartupError) as caught:
        agent.wait(lambda: False, 20, Progress(io.StringIO()))

    first, *words = str(caught.value).splitlines()
    assert first == f"Openbao ended; the end of {agent.log}:"
    assert words == [*(f"line {number}" for number in range(13, 20)), "no key"]


def test_agent_that_is_never_ready_is_told_with_the_time(stage: Stage) -> None:
    agent = stage.agent("consul")
    started(agent)

    with pytest.raises(StartupError, match=r"Consul is not ready after 0\.01 s; the end of .*consul\.log"):
        agent.wait(lambda: False, 0.01, Progress(io.StringIO()))


def test_end_leaves_what_the_agent_started(stage: Stage) -> None:
    agent = stage.agent("nomad", CHILD)
    process = started(agent)
    wait_for(process.children)
    child = process.children()[0]

    agent.end(10)

    assert agent.process() is None
    assert child.is_running()
    assert child.status() != psutil.STATUS_ZOMBIE


def test_agent_that_does_not_listen_is_killed(stage: Stage) -> None:
    agent = stage.agent("consul", STUBBORN)
    process = started(agent)
    wait_for(lambda: "deaf" in agent.last_words())

    agent.end(0.05)

    psutil.wait_procs([process], timeout=10)
    assert agent.process() is None


def test_end_of_an_agent_that_does_not_run_does_nothing(stage: Stage) -> None:
    stage.agent("consul").end(1)

    assert stage.agent("consul").last_words() == ""
