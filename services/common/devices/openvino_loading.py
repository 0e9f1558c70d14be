"""A model for OpenVINO: the files that `just export` left, or a conversion now."""

from __future__ import annotations

import importlib
import time
from pathlib import Path

from services.common.devices.network import Loaded, OpenPipeline
from services.common.devices.openvino_files import Converted, folder_of, read, write
from services.common.devices.openvino_network import OpenVinoNetwork, can_compute
from services.common.devices.openvino_wanted import Wanted
from services.common.errors import StartupError
from services.common.telemetry.logs import get_logger

log = get_logger()


def load(
    model_id: str, wanted: Wanted, open_pipeline: OpenPipeline, *, models_dir: Path, threads: int, replicas: int
) -> Loaded:
    """The model, ready to compute; torch is imported only when it must be converted.

    Args:
        model_id: name that requests use.
        wanted: what the model must be made from and for.
        open_pipeline: loads the model's own files.
        models_dir: folder of the models that are made on this machine.
        threads: see `OpenVinoNetwork`.
        replicas: see `OpenVinoNetwork`.

    Raises:
        StartupError: the model cannot be loaded or converted, or the processor cannot compute in its number type.
    """
    if not can_compute(wanted.dtype):
        raise StartupError(
            f"model {model_id}: this processor has no instructions for {wanted.dtype}; use float32 or int8"
        )
    folder = folder_of(models_dir, model_id, wanted)
    found = read(folder, wanted) or convert_and_keep(model_id, wanted, open_pipeline, folder)
    try:
        network = OpenVinoNetwork(
            found.model, facts=found.facts, dtype=wanted.dtype, threads=threads, replicas=replicas
        )
    except RuntimeError as exc:
        raise StartupError(f"model {model_id}: OpenVINO cannot load {folder} ({exc}); remove it and try again") from exc
    return Loaded(network=network, tokenizer=found.tokenizer, facts=found.facts)


def convert_and_keep(model_id: str, wanted: Wanted, open_pipeline: OpenPipeline, folder: Path) -> Converted:
    """Convert the model, and write it into the folder where that is possible."""
    started_s = time.monotonic()
    converted = convert(model_id, wanted, open_pipeline)
    kept = _keep(folder, wanted, converted)
    took_s = round(time.monotonic() - started_s, 1)
    log.info("model_converted", model=model_id, dtype=wanted.dtype, took_s=took_s, folder=str(folder) if kept else "")
    return converted


def convert(model_id: str, wanted: Wanted, open_pipeline: OpenPipeline) -> Converted:
    """Convert the model.

    Raises:
        StartupError: it cannot be loaded, or OpenVINO cannot express it.
    """
    pipeline = open_pipeline(device="cpu", dtype="float32")
    module = importlib.import_module("services.common.devices.openvino_convert")
    try:
        model = module.convert(pipeline.module, output=wanted.output, facts=pipeline.facts, dtype=wanted.dtype)
    except RuntimeError as exc:
        raise StartupError(f"model {model_id}: OpenVINO cannot express it ({exc}); set the backend to torch") from exc
    return Converted(model=model, tokenizer=pipeline.tokenizer, facts=pipeline.facts)


def _keep(folder: Path, wanted: Wanted, converted: Converted) -> bool:
    try:
        write(folder, wanted, converted)
    except OSError as exc:
        log.warning("converted_model_not_kept", folder=str(folder), error=str(exc))
        return False
    return True
