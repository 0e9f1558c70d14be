"""What a confined process may still do; each try in a process of its own, since there is no way back."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CONFINE = """
import pathlib, sys
from services.documents.backends import sandbox
def confine(): sandbox.confine([pathlib.Path(sys.argv[1])])
"""


def run(code: str, readable: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", CONFINE + code, str(readable)], capture_output=True, text=True, check=False, timeout=50
    )


@pytest.mark.parametrize(
    "attempt",
    [
        "import socket; socket.create_connection(('127.0.0.1', 9))",
        "import socket; socket.socket().connect(('127.0.0.1', 9))",
        "import socket; socket.getaddrinfo('localhost', 80)",
        "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9/')",
        "import subprocess; subprocess.run(['true'])",
        "import os; os.system('true')",
        "import os; os.fork()",
        "open('/etc/passwd').read()",
        "open(b'/etc/passwd', 'rb').read()",
        "import pathlib; (pathlib.Path(sys.argv[1]) / '../outside').read_text()",
        "import pathlib; (pathlib.Path(sys.argv[1]) / 'new').write_text('x')",
        "import tempfile; tempfile.TemporaryFile(dir=sys.argv[1])",
        "import tempfile; tempfile.mkdtemp(dir=sys.argv[1])",
        "import os, pathlib; os.remove(pathlib.Path(sys.argv[1]) / 'inside')",
    ],
)
def test_a_confined_process_cannot(attempt: str, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "inside").write_text("x")
    (tmp_path / "outside").write_text("x")
    code = attempt.replace("; ", "\n", 1)
    first, _, rest = code.partition("\n")
    body = f"{first}\nconfine()\n{rest}" if first.startswith("import") else f"confine()\n{code}"

    done = run(f"{body}\nprint('done')", folder)

    assert "PermissionError" in done.stderr
    assert "done" not in done.stdout
    assert sorted(path.name for path in folder.iterdir()) == ["inside"]


def test_a_confined_process_still_imports_and_reads_what_it_was_given(tmp_path: Path) -> None:
    (tmp_path / "inside").write_text("given")
    code = (
        "from services.documents.backends.resident import resident_bytes\n"
        "confine()\nimport sqlite3, xml.dom.minidom\n"
        "print(open(sys.argv[1] + '/inside').read(), resident_bytes() > 0)"
    )

    done = run(code, tmp_path)

    assert (done.stdout, done.stderr) == ("given True\n", "")


def test_memory_beyond_the_limit_is_refused_and_within_it_given(tmp_path: Path) -> None:
    code = (
        "sandbox.limit_memory(200 * 2**20)\nx = bytearray(100 * 2**20)\n"
        "try:\n    bytearray(200 * 2**20)\nexcept MemoryError:\n    print('refused')"
    )

    done = run(code, tmp_path)

    assert (done.stdout, done.stderr) == ("refused\n", "")
