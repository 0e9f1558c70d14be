"""Conversion of a service's models for OpenVINO, checked against torch: the part of `just export` that all share."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from services.common.config import ModelSettings, models_dir
from services.common.devices.device_model import tokenizer_for
from services.common.devices.network import Network, OpenPipeline, Pipeline
from services.common.devices.openvino_convert import convert
from services.common.devices.openvino_files import Converted, folder_of, write
from services.common.devices.openvino_network import OpenVinoNetwork, can_compute
from services.common.devices.openvino_wanted import Wanted
from services.common.devices.tokenizer import ModelTokenizer
from services.common.devices.torch_network import TorchNetwork
from services.common.errors import DeviceError, StartupError
from services.common.models import Tokens, revision

Results = npt.NDArray[np.float32]

DTYPES = ("float32", "bfloat16", "int8")
_DEFAULT_DTYPES = ("float32", "int8")
_BATCH = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """How a conversion compares with torch in float32."""

    is_equal: bool
    """True when no difference matters; float32 must be."""
    text: str
    """The differences in numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A model to convert."""

    model: ModelSettings
    folder: Path
    """Its files."""
    output: str
    """Feature of the pipeline that is the result."""
    open_pipeline: OpenPipeline
    sample: Callable[[ModelTokenizer], list[Tokens]]
    """Items to compare on."""
    compare: Callable[[Results, Results], Comparison]
    """Compares torch's results with a conversion's."""


def main(service: str, jobs: Callable[[], Sequence[Job]], arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status; 1 after a problem, which is written to standard error.

    Args:
        service: whose models.
        jobs: finds the models; may raise StartupError.
        arguments: of the command line.
    """
    parser = argparse.ArgumentParser(prog=f"python -m services.{service}.backends.export", description=__doc__)
    parser.add_argument("--dtype", action="append", choices=DTYPES, help="number type; may be repeated")
    dtypes = parser.parse_args(arguments).dtype or _DEFAULT_DTYPES
    try:
        for job in jobs():
            for line in export(job, dtypes):
                sys.stdout.write(f"{service}: {job.model.id} {line}\n")
                sys.stdout.flush()
    except (StartupError, DeviceError, OSError) as exc:
        sys.stderr.write(f"{service}: export: {exc}\n")
        return 1
    return 0


def export(job: Job, dtypes: Sequence[str]) -> list[str]:
    """Convert a model to each number type, and keep what compares well; one line of text for each.

    Raises:
        StartupError: the model cannot be loaded or converted, or its float32 is not torch's.
        OSError: the folder cannot be written.
    """
    pipeline = job.open_pipeline(device="cpu", dtype="float32")
    batches = _batches(job.sample(tokenizer_for(job.model, pipeline.tokenizer, pipeline.facts)))
    torch = TorchNetwork(pipeline, output=job.output, device="cpu")
    expected = _compute(torch, batches)
    return [_export(job, dtype, pipeline, batches, expected) for dtype in dtypes]


def _export(job: Job, dtype: str, pipeline: Pipeline, batches: list[list[Tokens]], expected: Results) -> str:
    wanted = Wanted(output=job.output, revision=revision(job.folder), dtype=dtype)
    if not can_compute(dtype):
        raise StartupError(f"model {job.model.id}: this processor has no instructions for {dtype}")
    try:
        model = convert(pipeline.module, output=job.output, facts=pipeline.facts, dtype=dtype)
        network = OpenVinoNetwork(model, facts=pipeline.facts, dtype=dtype, threads=0, replicas=1)
    except RuntimeError as exc:
        raise StartupError(f"model {job.model.id}: OpenVINO cannot express it ({exc})") from exc
    comparison = job.compare(expected, _compute(network, batches))
    if dtype == "float32" and not comparison.is_equal:
        raise StartupError(
            f"model {job.model.id}: OpenVINO's float32 is not torch's ({comparison.text}); nothing was kept: set the "
            "backend to torch for it"
        )
    folder = folder_of(models_dir(), job.model.id, wanted)
    write(folder, wanted, Converted(model=model, tokenizer=pipeline.tokenizer, facts=pipeline.facts))
    return f"{dtype}: {comparison.text}; in {folder}"


def _batches(items: Sequence[Tokens]) -> list[list[Tokens]]:
    """Neighbours in length together, so that little is computed for padding."""
    ordered = sorted(items, key=lambda item: len(item.ids))
    return [list(ordered[start : start + _BATCH]) for start in range(0, len(ordered), _BATCH)]


def _compute(network: Network, batches: list[list[Tokens]]) -> Results:
    """The results in the batches' order."""
    return np.concatenate([network.compute(network.prepare(batch), alone=True) for batch in batches])
