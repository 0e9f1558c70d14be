"""Environments of the peers: each has its own, from pins of its own, made once and kept in the cache."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.calls import get
from bench.serving import Served
from ops.ports import LOOPBACK
from ops.progress import Progress
from ops.settings import cache_dir, project_root

_REQUIREMENTS = Path(__file__).with_name("requirements")
_START_LIMIT_S = 300.0  # the first start of infinity's ONNX engine optimises its graph
_POLL_S = 0.5


def environment(name: str, progress: Progress, *, python: str, gigabytes: int) -> Path:
    """The folder of an environment; made when it is missing or its pins have changed.

    Args:
        name: of its pins in bench/requirements.
        progress: tells the person who waits.
        python: versions with which its packages work, as uv takes them.
        gigabytes: that it takes on the disk.
    """
    pins = _REQUIREMENTS / f"{name}.txt"
    digest = hashlib.sha256(pins.read_bytes()).hexdigest()[:12]
    folder = cache_dir().parent / "bench" / f"{name}-{digest}"
    if (folder / "complete").exists():
        return folder
    progress.say(f"making {name}'s environment in {folder}, once: some minutes and {gigabytes} GB")
    uv = _uv()
    shutil.rmtree(folder, ignore_errors=True)
    run([uv, "venv", "--quiet", "--no-python-downloads", "--python", python, str(folder)])
    target = {**os.environ, "VIRTUAL_ENV": str(folder)}
    run([uv, "pip", "sync", "--quiet", "--require-hashes", str(pins)], environ=target)
    (folder / "complete").touch()
    return folder


def run(command: Sequence[str], *, environ: Mapping[str, str] | None = None) -> None:
    """Run a command to its end.

    Raises:
        SystemExit: it failed; says how it ended.
    """
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"`{' '.join(command)}` failed:\n{(done.stdout + done.stderr)[-2000:]}")


def wait_until_healthy(name: str, process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    """Wait until a server that was just started answers.

    Raises:
        SystemExit: it does not; says how its log ends.
    """
    end_s = time.monotonic() + _START_LIMIT_S
    while time.monotonic() < end_s and process.poll() is None:
        try:
            get(url)
        except OSError:
            time.sleep(_POLL_S)
        else:
            return
    end = log.read_text(encoding="utf-8", errors="replace")[-1500:]
    raise SystemExit(f"{name} did not start; all it said is in {log}, and it ended with:\n{end}")


@contextmanager
def running(
    served_as: str, command: Sequence[str], *, port: int, folder: Path, log: Path, environ: Mapping[str, str]
) -> Iterator[Served]:
    """A server that listens on a port of loopback, once it is healthy, while the body runs."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=environ, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    served = Served(name=served_as, url=f"http://{LOOPBACK}:{port}", pid=process.pid)
    try:
        wait_until_healthy(served_as, process, f"{served.url}/health", log)
        yield served
    finally:
        if process.poll() is None:
            served.resume()
            process.terminate()
            process.wait(30)


def _uv() -> str:
    found = shutil.which("uv") or str(project_root() / ".tools" / "bin" / "uv")
    if not Path(found).exists():
        raise SystemExit("uv is not on PATH; run this with ./just bench, which brings it, or: pip install uv")
    return found
