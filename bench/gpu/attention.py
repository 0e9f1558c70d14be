"""Step: packed attention against padded torch, as a kernel alone and in a whole model; error and speed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from bench.gpu import steps
from bench.gpu.architectures import BGE_BASE, shrunk
from bench.gpu.batches import by_length, lognormal_lengths, random_items
from bench.gpu.kernel import States
from bench.gpu.steps import Options, Report
from bench.gpu.timing import seconds
from bench.gpu.weights import make
from services.embedding.backends.bi_encoder import KIND
from services.models.backends.network import Pipeline
from services.models.backends.torch.packing import moved, pad, try_packing
from services.models.backends.torch.pipeline import open_pipeline
from services.models.models import Tokens

_BUDGET = 32_768
"""Tokens of a batch, padding included."""

Features = Mapping[str, Any]


class WholeModel:
    """One model's vectors and speed, in every number type and way, on the same batches.

    Args:
        report: gets the figures.
        options: of the run.
    """

    def __init__(self, report: Report, options: Options) -> None:
        self._report = report
        self._options = options
        self._device = torch.device(options.device)
        self._model = shrunk(BGE_BASE) if options.is_tiny else BGE_BASE
        items = random_items(lognormal_lengths(12 if options.is_tiny else 1_500))
        self._tokens = sum(len(item.ids) for item in items)
        self._batches = [[items[at] for at in places] for places in by_length(items, budget=_BUDGET)]
        self._reference: Tensor | None = None
        """Vectors of the first way that was measured: float32, padded."""

    def measure(self, dtype: str) -> bool:
        """Padded, then packed; tells whether it could be packed. float32 comes first."""
        folder = make(self._model, self._options.work, device=self._options.device)
        pipeline = open_pipeline(KIND.pipeline, self._model.name, folder, device=self._options.device, dtype=dtype)
        self._way("padded", dtype, pipeline, lambda batch: pad(batch, pipeline.facts))
        packing = None if dtype == "float32" else try_packing(pipeline, output=KIND.output, device=self._device)
        self._report.fact(f"model packed {dtype}", packing is not None)
        if packing is not None:
            self._way("packed", dtype, pipeline, packing.pack)
        return packing is not None

    def _way(
        self, way: str, dtype: str, pipeline: Pipeline, features_of: Callable[[Sequence[Tokens]], Features]
    ) -> None:
        features = [moved(features_of(batch), self._device) for batch in self._batches]
        vectors = _vectors(pipeline.module, features).double()
        self._reference = vectors if self._reference is None else self._reference
        losses = 1 - cosine_similarity(vectors, self._reference)
        turns = 2 if self._options.is_tiny else 5
        taken = seconds(lambda: _vectors(pipeline.module, features), turns=turns, device=self._options.device)
        name, labels = f"model {way} {dtype}", {"dtype": dtype, "way": way}
        self._report.figure(name, "tokens/s", [self._tokens / turn_s for turn_s in taken], **labels)
        self._report.figure(f"{name}: 1 - cosine with float32 padded", "", losses.tolist(), **labels)


def measure(report: Report, options: Options) -> bool:
    """Kernels first, then a whole model; False where a GPU did not pack it in half precision."""
    _kernels(report, options)
    model = WholeModel(report, options)
    dtypes = [dtype for dtype in ("float32", "bfloat16", "float16") if dtype in options.dtypes]
    packed = {dtype for dtype in dtypes if report.has_time(f"model {dtype}") and model.measure(dtype)}
    return packed == {"bfloat16", "float16"} or not options.has_gpu


def _kernels(report: Report, options: Options) -> None:
    lengths = lognormal_lengths(6 if options.is_tiny else 256)
    heads = 2 if options.is_tiny else 12
    exact = States.random(lengths, heads=heads, width=64, device=options.device)
    reference = exact.item_by_item()
    report.fact("kernel", f"{len(lengths)} items of {min(lengths)} to {max(lengths)} tokens, {heads} heads of 64")
    for dtype in options.dtypes:
        states = exact.to(dtype)
        run_padded, is_real = states.padded()
        padded = run_padded().transpose(1, 2)[is_real]
        _kernel(report, options, {"dtype": dtype, "way": "padded"}, run_padded, _error(padded, reference))
        try:
            packed = states.packed()
        except RuntimeError as exc:
            report.fact(f"kernel packed {dtype}", f"refused: {str(exc)[:200]}")
        else:
            _kernel(report, options, {"dtype": dtype, "way": "packed"}, states.packed, _error(packed, reference))


def _kernel(report: Report, options: Options, labels: dict[str, str], task: Callable[[], Tensor], error: float) -> None:
    name = f"kernel {labels['way']} {labels['dtype']}"
    report.figure(f"{name}: relative error", "", [error], **labels)
    taken = seconds(task, turns=3 if options.is_tiny else 20, device=options.device, calls=3)
    report.figure(name, "ms", [turn_s * 1e3 for turn_s in taken], **labels)


def _error(found: Tensor, reference: Tensor) -> float:
    """Against attention in float64 on the numbers before they were rounded."""
    return float((found.double() - reference).norm() / reference.norm())


@torch.inference_mode()
def _vectors(module: Any, features: Sequence[Features]) -> Tensor:
    # A copy of each batch's features: the pipeline adds its results to what it is given.
    return torch.cat([module(dict(each))[KIND.output].float() for each in features])


if __name__ == "__main__":
    steps.run("attention", measure)
