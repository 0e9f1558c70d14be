"""Conversion of a sentence-transformers pipeline to OpenVINO, whole: transformer, pooling, and what comes after."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from transformers.utils.logging import get_verbosity, set_verbosity

from services.models.backends.network import ModelFacts
from services.models.backends.openvino.runtime import openvino


def convert(pipeline: nn.Module, *, output: str, facts: ModelFacts) -> Any:
    """The pipeline as an `openvino.Model` with one output, in float32.

    Args:
        pipeline: in float32 on the CPU, in evaluation mode; takes and gives a dictionary of features.
        output: the feature that is the result.
        facts: of the model.

    Raises:
        RuntimeError: the pipeline holds something that OpenVINO cannot express.
    """
    try:
        with _fit_to_trace():
            return openvino.convert_model(_OneOutput(pipeline, output), example_input=_example(facts))
    except openvino.frontend.OpConversionFailure as exc:
        raise RuntimeError(str(exc)) from exc


class _OneOutput(nn.Module):
    """A pipeline with named tensors for inputs and one for output, as tracing needs it."""

    def __init__(self, pipeline: nn.Module, output: str) -> None:
        super().__init__()
        self._pipeline = pipeline
        self._output = output

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None) -> Tensor:
        features = {"input_ids": input_ids, "attention_mask": attention_mask}
        if token_type_ids is not None:
            features["token_type_ids"] = token_type_ids
        result: Tensor = self._pipeline(features)[self._output]
        return result


def _example(facts: ModelFacts) -> dict[str, Tensor]:
    """Two items of different lengths, with two texts each, so that nothing looks like a constant."""
    mask = torch.tensor([[1] * 12, [1] * 9 + [0] * 3])
    ids = torch.where(mask == 1, torch.arange(24).view(2, 12) % facts.vocabulary, facts.pad_id)
    types = mask * torch.tensor([[0] * 5 + [1] * 7, [0] * 4 + [1] * 8])
    example = {"input_ids": ids, "attention_mask": mask}
    return {**example, "token_type_ids": types} if facts.has_types else example


@contextmanager
def _fit_to_trace() -> Iterator[None]:
    """Without torch's fused attention, which OpenVINO does not know, and without the remarks of the libraries."""
    fast_path, verbosity = torch.backends.mha.get_fastpath_enabled(), get_verbosity()
    torch.backends.mha.set_fastpath_enabled(False)
    set_verbosity(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast_path)
        set_verbosity(verbosity)
