"""Conversion of a model that the graph builder does not know: torch does it in a process of its own that ends.

torch and its libraries cost a gigabyte of memory and seconds of imports; so nothing of them stays in the service.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

from services.common.errors import StartupError
from services.common.telemetry.logs import get_logger
from services.models.backends.kind import Kind
from services.models.backends.openvino.files import Graph, Wanted, folder_of, read, write
from services.models.models import revision
from services.models.settings import ModelSettings, models_dir

_LONGEST_S = 600.0

_PR_SET_PDEATHSIG = 1

log = get_logger()


def converted(model: ModelSettings, folder: Path, kind: Kind) -> Graph:
    """The graph that torch made of a model, now or before: it is kept in the folder of models.

    Args:
        model: its settings.
        folder: its files.
        kind: of model.

    Raises:
        StartupError: it cannot be loaded, converted, or kept.
    """
    wanted = Wanted(output=kind.output, revision=revision(folder), options=model.options)
    target = folder_of(models_dir(), model.id, wanted)
    if (found := read(target, wanted)) is not None:
        return found
    started_s = time.monotonic()
    _convert(model.id, folder, kind.pipeline, wanted, target)
    log.info("model_converted", model=model.id, took_s=round(time.monotonic() - started_s, 1), folder=str(target))
    if (found := read(target, wanted)) is None:
        raise StartupError(f"model {model.id}: its conversion in {target} cannot be read; remove it and try again")
    return found


def _convert(model_id: str, folder: Path, pipeline: str, wanted: Wanted, target: Path) -> None:
    arguments = [model_id, str(folder), pipeline, json.dumps(asdict(wanted)), str(target)]
    try:
        done = subprocess.run(  # noqa: S603 - ours
            [sys.executable, "-P", "-m", __name__, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_LONGEST_S,
            check=False,
        )
    except subprocess.TimeoutExpired as exc:
        raise StartupError(
            f"model {model_id}: its conversion took over {_LONGEST_S:.0f} s; set the backend to torch"
        ) from exc
    if done.returncode:
        raise StartupError(_problem(model_id, done.returncode, done.stderr))


def _problem(model_id: str, status: int, said: str) -> str:
    last = (said.strip().splitlines() or [f"exit status {status}"])[-1]
    if status < 0:  # what it said before has nothing to do with it
        last = f"it was ended by signal {-status}; the memory may have been too small"
    return last if last.startswith("model ") else f"model {model_id}: torch could not convert it ({last})"


def main(arguments: list[str]) -> int:
    """Convert one model; in the process of its own. Returns its exit status, its last words are the error."""
    model_id, folder, pipeline_name, wanted_json, target = arguments
    wanted = Wanted(**json.loads(wanted_json))
    try:
        opening = importlib.import_module("services.models.backends.torch.pipeline")
        pipeline = opening.open_pipeline(
            pipeline_name, model_id, Path(folder), device="cpu", dtype="float32", **wanted.options
        )
        module = importlib.import_module("services.models.backends.openvino.convert")
        model = module.convert(pipeline.module, output=wanted.output, facts=pipeline.facts)
        graph = Graph(model=model, tokenizer=pipeline.tokenizer, facts=pipeline.facts)
        write(Path(target), wanted, graph)
    except StartupError as exc:
        problem = str(exc)
    except OSError as exc:
        problem = f"model {model_id}: {target} cannot be written ({exc}); free it, or name another ISOLANE_MODELS_DIR"
    except RuntimeError as exc:
        problem = f"model {model_id}: OpenVINO cannot express it ({exc}); set the backend to torch"
    else:
        return 0
    sys.stderr.write("\n" + " ".join(problem.split()) + "\n")
    return 1


if __name__ == "__main__":
    # A service that is killed while it waits leaves nothing that computes on.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    sys.exit(main(sys.argv[1:]))
