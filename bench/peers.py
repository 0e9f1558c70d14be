"""Infinity, the server that Isolane is compared with, in an environment of its own.

The same weights, float32, all cores; the versions are those with which infinity's own speed-ups work (see
requirements/infinity.in). Its ONNX engine gets a graph that is exported from the same weights.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from bench.serving import Served, get
from bench.texts import MODEL_SOURCE
from bench.tokens import EMBEDDING_LIMIT
from ops.ports import LOOPBACK, free_ports
from ops.progress import Progress
from ops.settings import cache_dir, project_root
from services.models.models import locate, revision

Engine = Literal["torch", "optimum"]

_PINS = Path(__file__).with_name("requirements") / "infinity.txt"
_START_LIMIT_S = 300.0  # the first start of the ONNX engine optimises its graph
_POLL_S = 0.5


@contextmanager
def infinity(engine: Engine, model: str, progress: Progress, *, batch_size: int = 32) -> Iterator[Served]:
    """Infinity with one engine on a free port while the body runs.

    Args:
        engine: torch, or optimum for ONNX Runtime.
        model: name under which it is served.
        batch_size: most texts in a batch; its own default is 32.
        progress: tells the person who watches.
    """
    environment = _environment(progress)
    folder = locate(MODEL_SOURCE) if engine == "torch" else _onnx_folder(environment, progress)
    (port,) = free_ports(1)
    options = {
        "model-id": ".",
        "served-model-name": model,
        "engine": engine,
        "device": "cpu",
        "dtype": "float32",
        "batch-size": str(batch_size),
        "pooling-method": "mean",
        "url-prefix": "/v1",
        "host": LOOPBACK,
        "port": str(port),
        "log-level": "warning",
    }
    switches = ["--no-vector-disk-cache", "--bettertransformer", "--no-compile", "--no-model-warmup"]
    command = [str(environment / "bin" / "infinity_emb"), "v2", *switches]
    command += [word for name, value in options.items() for word in (f"--{name}", value)]
    log = environment / f"{engine}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=_variables(environment), stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    name = "infinity, torch" if engine == "torch" else "infinity, onnx"
    served = Served(name=name, url=f"http://{LOOPBACK}:{port}", pid=process.pid)
    try:
        _wait_until_healthy(process, f"{served.url}/health", log)
        yield served
    finally:
        if process.poll() is None:
            served.resume()
            process.terminate()
            process.wait(30)


def _environment(progress: Progress) -> Path:
    """The folder of the environment; made when it is missing or the pins have changed."""
    pins = hashlib.sha256(_PINS.read_bytes()).hexdigest()[:12]
    folder = cache_dir().parent / "bench" / f"infinity-{pins}"
    if (folder / "complete").exists():
        return folder
    progress.say(f"making infinity's environment in {folder}, once: some minutes and 6 GB")
    uv = _uv()
    shutil.rmtree(folder, ignore_errors=True)
    # Its numpy knows no newer Python.
    _run([uv, "venv", "--quiet", "--no-python-downloads", "--python", ">=3.11,<3.13", str(folder)])
    target = {**os.environ, "VIRTUAL_ENV": str(folder)}
    _run([uv, "pip", "sync", "--quiet", "--require-hashes", str(_PINS)], environ=target)
    (folder / "complete").touch()
    return folder


def _onnx_folder(environment: Path, progress: Progress) -> Path:
    """The model's folder with its graph, exported from the same weights."""
    source = locate(MODEL_SOURCE)
    folder = environment / f"onnx-{revision(source)}"
    if folder.exists():
        return folder
    progress.say("exporting the model's graph for infinity's ONNX engine, once")
    part = folder.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    script = str(Path(__file__).with_name("onnx_export.py"))
    command = [str(environment / "bin" / "python"), script, str(source), str(part), str(EMBEDDING_LIMIT)]
    _run(command, environ=_variables(environment))
    part.rename(folder)
    return folder


def _variables(folder: Path) -> Mapping[str, str]:
    quiet = {"HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1", "INFINITY_ANONYMOUS_USAGE_STATS": "0"}
    return {**os.environ, **quiet, "HF_HOME": str(folder / "huggingface")}


def _wait_until_healthy(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    end_s = time.monotonic() + _START_LIMIT_S
    while time.monotonic() < end_s and process.poll() is None:
        try:
            get(url)
        except OSError:
            time.sleep(_POLL_S)
        else:
            return
    end = log.read_text(encoding="utf-8", errors="replace")[-1500:]
    raise SystemExit(f"infinity did not start; all it said is in {log}, and it ended with:\n{end}")


def _uv() -> str:
    found = shutil.which("uv") or str(project_root() / ".tools" / "bin" / "uv")
    if not Path(found).exists():
        raise SystemExit("uv is not on PATH; run this with ./just bench, which brings it, or: pip install uv")
    return found


def _run(command: Sequence[str], *, environ: Mapping[str, str] | None = None) -> None:
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"`{' '.join(command)}` failed:\n{(done.stdout + done.stderr)[-2000:]}")
