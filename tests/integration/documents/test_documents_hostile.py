"""Files that are made to harm: each is refused clearly or answered rightly, and nobody else notices."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import grpc
import psutil
import pytest
from isolane.documents.v1 import documents_service_pb2 as pb

from gateway.errors.failure import failure_of
from services.common.errors import TooLarge, UnprocessableFile, UnsupportedFormat
from services.common.status import decode
from tests.integration.documents.bait import ESCAPED, Bait, Hostile
from tests.integration.documents.hostile import cases

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]

LIMIT_S = 20.0
"""Of each hostile file. Linear work takes one or two seconds of it, on a machine with nothing else to do."""
PAGE_S = 8.0
"""Of a page; one that hangs is left out in time for the others."""
NEXT_S = 5.0
"""A good file takes some milliseconds, and a second where a worker's successor starts on the same cores."""
MIB = 1024 * 1024
WORKER_MEMORY = 512 * MIB
IDLE_WORKER = 256 * MIB
"""More than any worker holds before its first file."""
MOST_SERVICE = 512 * MIB
MOST_ENGINES = 768 * MIB
"""Of the process of the page models, which holds 300 to 500 whatever it was asked."""

SECRET = "quokka"
FORMS = pb.Output.values()[1:]


class Canary:
    """A port of loopback that counts the connections that it sees."""

    def __init__(self) -> None:
        self.seen = 0
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}/x"
        threading.Thread(target=self._watch, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()

    def _watch(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            self.seen += 1
            connection.close()


@pytest.fixture(scope="module")
def canary() -> Iterator[Canary]:
    watching = Canary()
    yield watching
    watching.close()


@pytest.fixture(scope="module")
def bait(samples: Mapping[str, bytes], canary: Canary, tmp_path_factory: pytest.TempPathFactory) -> Bait:
    secret = tmp_path_factory.mktemp("bait") / "secret.txt"
    secret.write_text(SECRET)
    return Bait(samples=samples, url=canary.url, secret=str(secret))


@pytest.fixture(scope="module")
def service(launch: Any) -> Iterator[Any]:
    """A service of its own, so that no other test sees what is left of these."""
    with launch(worker_memory_bytes=str(WORKER_MEMORY), max_page_s=str(PAGE_S)) as started:
        yield started


@pytest.fixture
def warm(service: Any) -> Any:
    """All workers stand by, with the spare one."""
    service.wait_for_workers(3)
    return service


def peak_bytes(pid: int) -> int:
    """The most that a process has held; 0 when it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)


def engines_bytes(service: Any) -> int:
    """What the process of the page models holds."""
    [line, *_] = service.lines("engines_ready") or [{"pid": 0}]
    return psutil.Process(line["pid"]).memory_info().rss if line["pid"] else 0


def good_s(service: Any) -> float:
    """How long a good file takes now."""
    started_s = time.monotonic()
    assert service.parse("good.md", b"# Good").markdown == "# Good"
    return time.monotonic() - started_s


@pytest.mark.parametrize("case", list(cases()))
def test_a_hostile_file_harms_nobody(warm: Any, bait: Bait, canary: Canary, case: Hostile) -> None:
    request = pb.ParseRequest(
        filename=case.filename, data=case.make(bait), outputs=FORMS[:1] if case.is_long else FORMS
    )
    seen, crashed = canary.seen, len(warm.lines("worker_crashed"))

    call = warm.stub.Parse.future(request, timeout=LIMIT_S)
    meanwhile_s = good_s(warm)
    outcome = call.exception() or call.result()
    after_s = good_s(warm)

    check(case, outcome)
    assert (meanwhile_s < NEXT_S, after_s < NEXT_S) == (True, True), (meanwhile_s, after_s)
    assert max(map(peak_bytes, warm.workers())) <= IDLE_WORKER + WORKER_MEMORY
    assert psutil.Process(warm.process.pid).memory_info().rss <= MOST_SERVICE
    assert list(warm.temporary.iterdir()) == []
    assert not list(Path("/tmp").glob(f"{ESCAPED}*"))
    assert canary.seen == seen
    assert warm.lines("call_crashed") == []
    assert case.may_crash or len(warm.lines("worker_crashed")) == crashed
    assert warm.lines("engines_ended") == []
    assert engines_bytes(warm) <= MOST_ENGINES


def check(case: Hostile, outcome: Any) -> None:
    """A clear refusal, which is the file's own fault over HTTP too, or a right answer."""
    if isinstance(outcome, grpc.RpcError):
        assert case.is_refused or case.may_be_refused, outcome
        error = decode(cast(Any, outcome), "documents")  # typed for asyncio alone
        assert isinstance(error, TooLarge | UnprocessableFile | UnsupportedFormat), error
        assert failure_of(error).status in {413, 415, 422}
        assert error.message.startswith(case.filename)
        assert SECRET not in error.message
        assert case.why in error.message
        return
    assert not case.is_refused, outcome.markdown[:200]
    assert not case.why or any(case.why in error for error in outcome.errors), outcome.errors
    assert bool(outcome.errors) == (outcome.status == pb.PARSE_STATUS_PARTIAL_SUCCESS)
    for name in ("markdown", "html", "text", "json"):
        if not outcome.HasField(name):
            continue
        form = outcome.json.decode() if name == "json" else getattr(outcome, name)
        assert outcome.errors or case.says in form, form[:200]
        assert all(said in form for said in case.keeps), form[:200]
        assert not case.lacks or case.lacks not in form
        assert SECRET not in form
        assert "\0" not in form


def test_the_canary_sees_connections(canary: Canary) -> None:
    before = canary.seen

    socket.create_connection(("127.0.0.1", int(canary.url.split(":")[2].removesuffix("/x")))).close()
    until_s = time.monotonic() + 5
    while canary.seen == before and time.monotonic() < until_s:
        time.sleep(0.01)

    assert canary.seen == before + 1
