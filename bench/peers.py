"""Infinity, the server that Isolane is compared with, in an environment of its own.

The same weights, float32, all cores; the versions are those with which infinity's own speed-ups work (see
requirements/infinity.in). Its ONNX engine gets a graph that is exported from the same weights.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from bench.environments import environment, run, running
from bench.serving import Served
from bench.texts import MODEL_SOURCE
from bench.tokens import EMBEDDING_LIMIT
from ops.ports import LOOPBACK, free_ports
from ops.progress import Progress
from services.models.models import locate, revision

Engine = Literal["torch", "optimum"]


@contextmanager
def infinity(engine: Engine, model: str, progress: Progress, *, batch_size: int = 32) -> Iterator[Served]:
    """Infinity with one engine on a free port while the body runs.

    Args:
        engine: torch, or optimum for ONNX Runtime.
        model: name under which it is served.
        batch_size: most texts in a batch; its own default is 32.
        progress: tells the person who watches.
    """
    # Its numpy knows no newer Python.
    installed = environment("infinity", progress, python=">=3.11,<3.13", gigabytes=6)
    folder = locate(MODEL_SOURCE) if engine == "torch" else _onnx_folder(installed, progress)
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
    command = [str(installed / "bin" / "infinity_emb"), "v2", *switches]
    command += [word for name, value in options.items() for word in (f"--{name}", value)]
    log = installed / f"{engine}.log"
    name = "infinity, torch" if engine == "torch" else "infinity, onnx"
    with running(name, command, port=port, folder=folder, log=log, environ=_variables(installed)) as served:
        yield served


def _onnx_folder(installed: Path, progress: Progress) -> Path:
    """The model's folder with its graph, exported from the same weights."""
    source = locate(MODEL_SOURCE)
    folder = installed / f"onnx-{revision(source)}"
    if folder.exists():
        return folder
    progress.say("exporting the model's graph for infinity's ONNX engine, once")
    part = folder.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    script = str(Path(__file__).with_name("onnx_export.py"))
    command = [str(installed / "bin" / "python"), script, str(source), str(part), str(EMBEDDING_LIMIT)]
    run(command, environ=_variables(installed))
    part.rename(folder)
    return folder


def _variables(folder: Path) -> Mapping[str, str]:
    quiet = {"HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1", "INFINITY_ANONYMOUS_USAGE_STATS": "0"}
    return {**os.environ, **quiet, "HF_HOME": str(folder / "huggingface")}
