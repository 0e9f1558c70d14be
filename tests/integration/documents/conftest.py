"""Running documents services, and real files to send to them."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import docx
import grpc
import odfdo
import openpyxl
import pptx
import psutil
import pytest
from isolane.documents.v1 import documents_service_pb2 as pb
from isolane.documents.v1 import documents_service_pb2_grpc as pb_grpc

START_S = 50
MIB = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Service:
    """A documents service that serves."""

    process: subprocess.Popen[bytes]
    log: Path
    temporary: Path
    """Its folder for temporary files."""
    stub: Any

    def lines(self, event: str) -> list[dict[str, Any]]:
        """The log lines of an event."""
        return [line for line in _json_lines(self.log) if line["event"] == event]

    def parse(self, filename: str, data: bytes, *outputs: Any, timeout: float = 40, **metadata: str) -> Any:
        """Send a file."""
        request = pb.ParseRequest(filename=filename, data=data, outputs=outputs)
        return self.stub.Parse(request, timeout=timeout, metadata=[*metadata.items()])

    def refusal(self, filename: str, data: bytes, timeout: float = 40) -> grpc.RpcError:
        """The error that a file gets."""
        with pytest.raises(grpc.RpcError) as caught:
            self.parse(filename, data, timeout=timeout)
        return caught.value

    def workers(self) -> set[int]:
        """Pids of the live worker processes."""
        children = psutil.Process(self.process.pid).children()
        return {child.pid for child in children if is_alive(child.pid) and _is_worker(child)}

    def wait_until_parsing(self) -> int:
        """Pid of the worker that computes."""
        used = {pid: _cpu_s(pid) for pid in self.workers()}
        pid: int = wait_for(lambda: next((pid for pid, at_s in used.items() if _cpu_s(pid) > at_s + 0.1), None))
        return pid

    def wait_for_end(self, pid: int) -> None:
        """Wait until a process is gone."""
        wait_for(lambda: not is_alive(pid))

    def wait_for_workers(self, number: int) -> None:
        """Wait until so many workers are warm, and none starts, whose work could be taken for a file's.

        The end of a worker is logged a moment after its process is gone, so lines alone would count it still.
        """
        wait_for(lambda: len(live := self.workers()) >= number and live <= self._ready())

    def _ready(self) -> set[int]:
        return {line["pid"] for line in self.lines("worker_ready")}


def _is_worker(process: psutil.Process) -> bool:
    """False for the process of the page models, and for one that is gone."""
    try:
        return "services.documents.backends.worker" in process.cmdline()
    except psutil.NoSuchProcess:
        return False


def is_alive(pid: int) -> bool:
    """False for a process that is gone, or waits only to be reaped."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def wait_for(condition: Callable[[], Any], timeout_s: float = START_S) -> Any:
    """What the condition returns, once that is something."""
    until_s = time.monotonic() + timeout_s
    while time.monotonic() < until_s:
        if result := condition():
            return result
        time.sleep(0.02)
    raise AssertionError("it did not happen in time")


@contextmanager
def running(folder: Path, *, wait_for_event: str = "serving", **settings: str) -> Iterator[Service]:
    """A service in a process of its own; its end is as clean as its start."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ISOLANE_")}
    environment |= {f"ISOLANE_DOCUMENTS_{name.upper()}": value for name, value in settings.items()}
    environment |= {"ISOLANE_DOCUMENTS_PORT": "0", "ISOLANE_DOCUMENTS_METRICS_PORT": "0"}
    temporary = folder / "tmp"
    temporary.mkdir()
    log = folder / "log"
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "services.documents"], env={**environment, "TMPDIR": str(temporary)}, stderr=stderr
        )
    try:
        line = wait_for(lambda: next((line for line in _json_lines(log) if line["event"] == wait_for_event), None))
        limit = 64 * MIB
        options = [("grpc.max_send_message_length", limit), ("grpc.max_receive_message_length", limit)]
        with grpc.insecure_channel(f"127.0.0.1:{line['port']}", options=options) as channel:
            stub = pb_grpc.DocumentsServiceStub(cast(Any, channel))  # typed for asyncio alone
            yield Service(process=process, log=log, temporary=temporary, stub=stub)
    finally:
        process.terminate()
        process.wait(timeout=START_S)


def _json_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines() if line.startswith("{") and line.endswith("}")]


def _cpu_s(pid: int) -> float:
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system)


Launch = Callable[..., AbstractContextManager[Service]]


@pytest.fixture(scope="session")
def launch(tmp_path_factory: pytest.TempPathFactory) -> Launch:
    """Starts a service with the settings given."""
    return lambda **settings: running(tmp_path_factory.mktemp("documents"), **settings)


@pytest.fixture(scope="session")
def service(launch: Launch) -> Iterator[Service]:
    """Docling in two workers that may take little memory; shared by all tests, for its start takes seconds."""
    with launch(worker_memory_bytes=str(512 * MIB)) as started:
        yield started


@pytest.fixture(scope="session")
def samples() -> dict[str, bytes]:
    """A real file of every format, each with the word "wombat"."""
    return {
        "a.adoc": b"= Title\n\n== Section\n\nA wombat.\n\n* one\n",
        "a.csv": b"name,sum\nwombat,100\n",
        "a.docx": _docx(),
        "a.epub": _epub(),
        "a.html": b"<!doctype html><title>T</title><h1>Head</h1><p>A <b>wombat</b>.<ul><li>one<li>two</ul>"
        b"<table><tr><th>a<th>b<tr><td>1<td>2</table>",
        "a.md": b"# Head\n\nA wombat.\n\n- one\n\n| a | b |\n|---|---|\n| 1 | 2 |\n",
        "a.nxml": JATS.format(doctype="", text="A wombat.").encode(),
        "a.odp": _odp(),
        "a.ods": _ods(),
        "a.odt": _odt(),
        "a.pptx": _pptx(),
        "a.tex": b"\\documentclass{article}\\begin{document}\\section{Intro}A wombat, $x^2$.\\end{document}",
        "a.txt": b"A wombat.\n\nAnother <paragraph> of snake_case.\n",
        "a.vtt": b"WEBVTT\n\n00:00:00.000 --> 00:00:02.000\nA wombat.\n",
        "a.xlsx": _xlsx(),
    }


JATS = (
    '<?xml version="1.0"?><!DOCTYPE article PUBLIC "-//NLM//DTD JATS (Z39.96) Journal Publishing DTD v1.2//EN" '
    '"JATS-journalpublishing1.dtd" [{doctype}]><article article-type="research-article"><front><article-meta>'
    "<title-group><article-title>On animals</article-title></title-group></article-meta></front><body><sec>"
    "<title>Intro</title><p>{text}</p></sec></body></article>"
)


def _saved(document: Any) -> bytes:
    target = io.BytesIO()
    document.save(target)
    return target.getvalue()


def _docx() -> bytes:
    document = docx.Document()
    document.add_heading("Yearly report", 1)
    document.add_paragraph("A wombat grew by 12 percent.")
    document.add_heading("Costs", 2)
    for item in ("Rent", "Staff"):
        document.add_paragraph(item, style="List Bullet")
    document.add_paragraph("The sums:")
    table = document.add_table(2, 2)
    for row, cells in enumerate((("Item", "Sum"), ("Rent", "100"))):
        for column, text in enumerate(cells):
            table.cell(row, column).text = text
    return _saved(document)


def _pptx() -> bytes:
    presentation = pptx.Presentation()
    slide = presentation.slides.add_slide(presentation.slide_layouts[1])
    slide.shapes.title.text = "Plan"
    slide.placeholders[1].text = "Feed the wombat"
    return _saved(presentation)


def _xlsx() -> bytes:
    workbook = openpyxl.Workbook()
    workbook.active.append(["Name", "Sum"])
    workbook.active.append(["wombat", 100])
    return _saved(workbook)


def _odt() -> bytes:
    document = odfdo.Document("text")
    document.body.clear()
    document.body.append(odfdo.Header(1, "Letter"))
    document.body.append(odfdo.Paragraph("Dear wombat"))
    return _saved(document)


def _ods() -> bytes:
    document = odfdo.Document("spreadsheet")
    document.body.clear()
    table = odfdo.Table("Sheet")
    table.set_value("A1", "Name")
    table.set_value("A2", "wombat")
    document.body.append(table)
    return _saved(document)


def _odp() -> bytes:
    document = odfdo.Document("presentation")
    document.body.clear()
    page = odfdo.DrawPage("page", name="Page")
    page.append(odfdo.Frame.text_frame([odfdo.Paragraph("A wombat")], size=("7cm", "5cm"), position=("1cm", "1cm")))
    document.body.append(page)
    return _saved(document)


def _epub() -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("mimetype", "application/epub+zip")
        archive.writestr(
            "META-INF/container.xml",
            '<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
            '<rootfile full-path="c.opf" media-type="application/oebps-package+xml"/></rootfiles></container>',
        )
        archive.writestr(
            "c.opf",
            '<package xmlns="http://www.idpf.org/2007/opf" version="3.0"><metadata/><manifest>'
            '<item id="x" href="x.xhtml" media-type="application/xhtml+xml"/></manifest>'
            '<spine><itemref idref="x"/></spine></package>',
        )
        archive.writestr(
            "x.xhtml",
            '<html xmlns="http://www.w3.org/1999/xhtml"><body><h1>Chapter</h1><p>A wombat.</p></body></html>',
        )
    return target.getvalue()
