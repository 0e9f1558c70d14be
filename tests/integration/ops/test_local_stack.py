"""`isolane local` with fake backends: real processes, real signals."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil
import pytest

from ops import leftovers
from ops.local.state import StackState, StateFolder

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]

PARTS = ("gateway", "embedding", "reranking", "documents", "gpu")
WAIT_S = 90.0


NO_MESH = {"ISOLANE_OPS_MESH_DIR": "/nonexistent"}
"""As root, `stop` and `status` would find the machine's dev mesh."""


@dataclass(slots=True, kw_only=True)
class Stack:
    """Runs the command against one state folder, on free ports."""

    state: Path
    settings: dict[str, str] = field(default_factory=dict)

    def popen(self, *arguments: str) -> subprocess.Popen[str]:
        ports = {f"ISOLANE_OPS_{name.upper()}_PORT": "0" for name in PARTS}
        return subprocess.Popen(
            [sys.executable, "-m", "ops", *arguments],
            env={**os.environ, **ports, "ISOLANE_OPS_STATE_DIR": str(self.state), **NO_MESH, **self.settings},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *arguments: str) -> tuple[int, str]:
        """Exit status and output."""
        with self.popen(*arguments) as process:
            output, _ = process.communicate(timeout=WAIT_S)
        return process.returncode, output

    def written(self) -> StackState:
        state = StateFolder(self.state).running()
        assert state is not None
        return state

    def pid(self, name: str) -> int:
        return next(part.pid for part in self.written().parts if part.name == name)

    def processes(self) -> list[psutil.Process]:
        return leftovers.find(str(self.state))


@contextlib.contextmanager
def cleaned_up(stack: Stack) -> Iterator[Stack]:
    try:
        yield stack
    finally:
        stack.settings = {}
        stack.run("stop")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with cleaned_up(Stack(state=tmp_path_factory.mktemp("running"))) as stack:
        code, output = stack.run("local", "--backend", "fake", "--detach")
        assert code == 0, output
        yield stack


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Stack]:
    with cleaned_up(Stack(state=tmp_path)) as stack:
        yield stack


def wait_until(condition: Callable[[], bool]) -> None:
    until_s = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < until_s
        time.sleep(0.1)


def read_until(process: subprocess.Popen[str], text: str) -> str:
    """What the process writes, up to the line with the text."""
    assert process.stdout is not None
    output = ""
    for line in process.stdout:
        output += line
        if text in line:
            return output
    raise AssertionError(f"it ended before it wrote {text!r}:\n{output}")


def test_models_are_listed_loaded_and_unloaded_while_the_stack_runs(running: Stack) -> None:
    settings = '{"id": "second", "source": "path:/none"}'

    loaded, said = running.run("models", "load", "embedding", settings)
    listed, table = running.run("models", "list")
    warmed, _ = running.run("models", "warm-up", "embedding", "second")
    code, answer = running.run("embed", "--model", "second", "hello")
    unloaded, _ = running.run("models", "unload", "embedding", "second")
    again, problem = running.run("models", "unload", "embedding", "second")

    assert (loaded, listed, warmed, code, unloaded) == (0, 0, 0, 0, 0), (said, table, answer)
    rows = [line.split()[:2] for line in table.splitlines()[1:]]
    assert rows == [
        ["embedding", "all-MiniLM-L6-v2"],
        ["embedding", "second"],
        ["reranking", "ms-marco-MiniLM-L-12-v2"],
    ]
    assert again == 1
    assert "model 'second' is not served here; use 'all-MiniLM-L6-v2'" in problem


def test_the_admin_tokens_are_readable_by_their_user_alone(running: Stack) -> None:
    folder = running.state / "secrets"

    assert folder.stat().st_mode & 0o777 == 0o700
    assert {file.name: file.stat().st_mode & 0o777 for file in folder.iterdir()} == {
        "isolane_embedding_admin_token": 0o600,
        "isolane_reranking_admin_token": 0o600,
    }


def test_models_need_a_stack(fresh: Stack) -> None:
    code, output = fresh.run("models", "list")

    assert code == 1
    assert "no local stack runs here; start one with `just local`" in output


def test_shown_line_gets_the_shown_answer(running: Stack) -> None:
    output = (running.state / "supervisor.log").read_text().splitlines()
    line = next(text for text in output if text.startswith("  curl"))
    shown = output[output.index("It just answered:") + 1].strip()

    answer = json.loads(subprocess.run(["sh", "-c", line], check=True, capture_output=True, timeout=30).stdout)

    vector = answer["data"][0]["embedding"]
    beginning = ", ".join(f"{number:.6g}" for number in vector[:4])
    assert len(vector) == 384
    assert f'"embedding": [{beginning}, … 380 more]' in shown


def test_every_part_is_a_process_of_its_own_on_loopback(running: Stack) -> None:
    code, output = running.run("status", "--json")
    parts = json.loads(output)["parts"]

    listening = {
        (part["name"], connection.laddr.ip.removeprefix("::ffff:"))
        for part in parts
        for connection in psutil.Process(part["pid"]).net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }

    assert code == 0
    assert [part["name"] for part in parts] == list(PARTS)
    assert listening == {(name, "127.0.0.1") for name in PARTS}


def test_second_start_is_refused_and_names_the_first(running: Stack) -> None:
    code, output = running.run("local", "--backend", "fake")

    assert code == 1
    assert f"supervisor pid {running.written().pid}" in output
    assert "just stop" in output


def test_commands_find_the_running_stack(running: Stack) -> None:
    code, output = running.run("embed", "some text")

    assert code == 0
    assert "some text: 384 dimensions:" in output


def test_killed_service_is_started_again(running: Stack) -> None:
    pid = running.pid("reranking")

    os.kill(pid, signal.SIGKILL)

    wait_until(lambda: running.pid("reranking") not in {0, pid})
    wait_until(lambda: httpx.get(f"{running.written().url}/health/ready").is_success)
    log = (running.state / "supervisor.log").read_text()
    assert "reranking ended (killed by SIGKILL); starting it again in 0.5 s\n" in log
    assert running.run("rerank", "query", "document")[0] == 0


def test_ctrl_c_ends_everything(fresh: Stack) -> None:
    fresh.settings = {"ISOLANE_OPS_STOP_GRACE_S": "60"}
    with fresh.popen("local", "--backend", "fake") as process:
        read_until(process, "just stop")
        started = len(fresh.processes())

        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=WAIT_S)

    assert started >= len(PARTS)
    assert process.returncode == 0
    assert "ending gateway, embedding, reranking, documents, gpu" in output
    assert "killed" not in output
    assert fresh.processes() == []
    assert StateFolder(fresh.state).read() is None


def test_ctrl_c_during_the_start_ends_everything(fresh: Stack) -> None:
    with fresh.popen("local", "--backend", "fake") as process:
        wait_until(lambda: len(fresh.processes()) >= len(PARTS))

        process.send_signal(signal.SIGINT)
        process.communicate(timeout=WAIT_S)

    assert process.returncode == 0
    assert fresh.processes() == []


def test_stop_ends_what_a_killed_supervisor_left(fresh: Stack) -> None:
    with fresh.popen("local", "--backend", "fake") as process:
        read_until(process, "just stop")
        process.kill()
        process.communicate(timeout=WAIT_S)
    orphans = len(fresh.processes())
    told = fresh.run("status")[1]

    code, output = fresh.run("stop")

    assert orphans >= len(PARTS)
    assert "the supervisor was killed" in told
    assert code == 0
    assert f"ended {orphans} processes" in output
    assert fresh.processes() == []


def test_start_after_a_killed_supervisor_ends_its_parts_first(fresh: Stack) -> None:
    with fresh.popen("local", "--backend", "fake") as process:
        wait_until(lambda: len(fresh.processes()) >= len(PARTS))
        process.kill()
        process.communicate(timeout=WAIT_S)
    orphans = {one.pid for one in fresh.processes()}

    code, output = fresh.run("local", "--backend", "fake", "--detach")

    assert code == 0
    assert "of a stack whose supervisor was killed" in output
    assert orphans.isdisjoint(one.pid for one in fresh.processes())


def test_taken_port_is_told_before_anything_starts(fresh: Stack) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        fresh.settings = {"ISOLANE_OPS_GATEWAY_PORT": str(listener.getsockname()[1])}

        code, output = fresh.run("local", "--backend", "fake")

    assert code == 1
    assert f"is taken by pid {os.getpid()}" in output
    assert "ISOLANE_OPS_GATEWAY_PORT" in output
    assert fresh.processes() == []


@pytest.mark.parametrize("options", [(), ("--detach",)])
def test_part_that_cannot_start_ends_the_rest_and_says_why(fresh: Stack, options: tuple[str, ...]) -> None:
    fresh.settings = {"ISOLANE_DOCUMENTS_MAX_MESSAGE_BYTES": "few"}

    code, output = fresh.run("local", "--backend", "fake", *options)

    assert code == 1
    assert "documents did not start: exit status 2: documents: 1 setting(s) are wrong" in output
    assert "ISOLANE_DOCUMENTS_MAX_MESSAGE_BYTES" in output
    assert fresh.processes() == []
