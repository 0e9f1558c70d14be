"""Workers that hang, crash or lose their service."""

from __future__ import annotations

import io
import os
import signal
import threading
from pathlib import Path
from typing import Any

import docx
import grpc
import psutil
import pytest
from grpc import StatusCode
from isolane.documents.v1 import documents_service_pb2 as pb

from tests.integration.documents.packages import changed


def long_docx(*, paragraphs: int) -> bytes:
    """A Word file of so many paragraphs of one letter: 80 KB for 40,000."""
    file = io.BytesIO()
    docx.Document().save(file)
    body = "<w:body>" + "<w:p><w:r><w:t>x</w:t></w:r></w:p>" * paragraphs
    return changed(file.getvalue(), "word/document.xml", "<w:body>", body)


pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]

SLOW = pb.ParseRequest(filename="slow.docx", data=long_docx(paragraphs=40_000), outputs=pb.Output.values()[1:])
"""A quarter of a minute of work, for all its forms."""


@pytest.fixture
def warm(service: Any) -> Any:
    """The service with both workers and the spare one warm."""
    service.wait_for_workers(3)
    return service


def assert_good_file_works(service: Any) -> None:
    assert service.parse("a.md", b"# Head").markdown == "# Head"


def test_a_file_that_passes_its_deadline_has_its_worker_killed(warm: Any) -> None:
    failures: list[grpc.RpcError] = []
    thread = threading.Thread(target=lambda: failures.append(warm.refusal(SLOW.filename, SLOW.data, timeout=2)))
    thread.start()
    pid = warm.wait_until_parsing()
    thread.join()
    warm.wait_for_end(pid)

    assert failures[0].code() is StatusCode.DEADLINE_EXCEEDED
    assert_good_file_works(warm)


def test_workers_hold_no_torch_though_it_is_installed(warm: Any) -> None:
    mapped = {entry.path for pid in warm.workers() for entry in psutil.Process(pid).memory_maps()}

    assert any("lxml" in path for path in mapped)
    assert not any("torch" in path for path in mapped)


def test_a_caller_who_leaves_has_its_worker_killed(warm: Any) -> None:
    call = warm.stub.Parse.future(SLOW, timeout=60)
    pid = warm.wait_until_parsing()
    call.cancel()
    warm.wait_for_end(pid)

    assert_good_file_works(warm)


def test_a_worker_killed_in_the_middle_of_a_file_fails_that_file_alone(warm: Any) -> None:
    call = warm.stub.Parse.future(SLOW, timeout=60)
    pid = warm.wait_until_parsing()
    other = warm.stub.Parse.future(pb.ParseRequest(filename="a.csv", data=b"a,b\n1,2\n"), timeout=60)
    other_reply = other.result()
    os.kill(pid, signal.SIGKILL)

    assert call.code() is StatusCode.FAILED_PRECONDITION
    assert "slow.docx: the parser crashed on it (it ended without an answer, by signal 9)" in call.details()
    assert other_reply.format == "csv"
    assert_good_file_works(warm)


def test_a_worker_gives_the_memory_of_a_large_file_back(launch: Any) -> None:
    with launch(workers="1", spare_workers="0") as service:
        service.wait_for_workers(1)
        [worker] = map(psutil.Process, service.workers())
        service.parse("small.docx", long_docx(paragraphs=1))
        before = worker.memory_info().rss
        service.parse("large.docx", long_docx(paragraphs=30_000))

        assert worker.memory_info().rss - before < (peak_bytes(worker) - before) / 4


def peak_bytes(process: psutil.Process) -> int:
    """The most memory that a process ever held at once."""
    lines = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def test_a_worker_killed_while_idle_is_replaced(warm: Any) -> None:
    before = warm.workers()
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    for pid in before:
        warm.wait_for_end(pid)

    assert_good_file_works(warm)
    assert not before & warm.workers()


def test_a_full_queue_refuses_with_a_delay(launch: Any) -> None:
    with launch(workers="1", max_queued="0") as service:
        service.wait_for_workers(2)
        call = service.stub.Parse.future(SLOW, timeout=60)
        service.wait_until_parsing()
        refusal = service.refusal("a.md", b"# Head")
        call.cancel()

    assert refusal.code() is StatusCode.RESOURCE_EXHAUSTED
    assert "grpc-status-details-bin" in dict(refusal.trailing_metadata())


def test_no_worker_outlives_a_service_that_was_killed(launch: Any) -> None:
    with launch() as service:
        service.wait_for_workers(3)
        call = service.stub.Parse.future(SLOW, timeout=60)
        service.wait_until_parsing()
        workers = service.workers()
        service.process.kill()
        for pid in workers:
            service.wait_for_end(pid)

        assert len(workers) == 3
        assert call.code() is StatusCode.UNAVAILABLE
        assert list(service.temporary.iterdir()) == []


def test_no_worker_outlives_a_service_that_was_stopped(launch: Any) -> None:
    with launch(workers="1") as service:
        service.wait_for_workers(2)
        workers = service.workers()
        service.process.send_signal(signal.SIGTERM)
        status = service.process.wait(timeout=30)

    assert (status, len(workers)) == (0, 2)
    assert not any(psutil.pid_exists(pid) for pid in workers)


def test_a_service_stopped_while_its_first_worker_starts_ends_at_once_and_clean(launch: Any) -> None:
    with launch(wait_for_event="listening", log_level="debug") as service:
        service.process.send_signal(signal.SIGTERM)
        status = service.process.wait(timeout=30)

    assert status == 0
    assert service.lines("serving") == []
    assert "Traceback" not in service.log.read_text()
