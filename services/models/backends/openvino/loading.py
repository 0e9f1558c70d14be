"""A model on the CPU: its graph from its own files, or where the builder does not know it, converted by torch."""

from __future__ import annotations

import ctypes
import importlib
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from services.common.errors import StartupError, Unbuildable
from services.common.telemetry.logs import get_logger
from services.models.backends import number_types
from services.models.backends.kind import Built, Kind
from services.models.backends.network import ModelFacts, Network, Opened
from services.models.backends.openvino.conversion import converted
from services.models.backends.openvino.files import Graph
from services.models.backends.openvino.network import OpenVinoNetwork, can_compute
from services.models.backends.openvino.verdicts import Verdicts, key_of
from services.models.backends.tokenizer import tokenizer_for
from services.models.models import revision
from services.models.settings import ModelServerSettings, ModelSettings, models_dir

log = get_logger()


def load(settings: ModelServerSettings, model: ModelSettings, *, folder: Path, kind: Kind) -> Opened:
    """The model, ready to compute.

    Args:
        settings: of the service.
        model: its own.
        folder: its files.
        kind: of model.

    Raises:
        StartupError: the model cannot be loaded, or the processor cannot compute in its number type.
    """
    if not can_compute(model.dtype):
        raise StartupError(
            f"model {model.id}: this processor has no instructions for {model.dtype}; use float32, int8 or auto"
        )
    graph = graph_of(model, folder=folder, kind=kind)
    open_network = partial(_network, model.id, folder, graph.model, graph.facts, settings.threads)
    dtype: str = model.dtype
    if dtype == "auto":
        dtype = _chosen(model, graph, partial(open_network, 1), folder=folder, kind=kind)
    network = open_network(settings.replicas, dtype)
    graph.drop_pages()
    _give_back_memory()
    return Opened(network=network, tokenizer=graph.tokenizer, facts=graph.facts, dtype=dtype)


def _chosen(
    model: ModelSettings, graph: Graph, open_network: Callable[[str], Network], *, folder: Path, kind: Kind
) -> str:
    """The type that `auto` comes to, measured once for these files on this processor."""
    if not can_compute(number_types.FAST):
        return number_types.EXACT
    verdicts = Verdicts(folder=models_dir())
    key = key_of(revision(folder), kind.output, repr(sorted(model.options.items())), str(model.max_tokens))
    if (known := verdicts.find(key)) in {number_types.EXACT, number_types.FAST}:
        log.info("dtype_chosen", model=model.id, dtype=known, bfloat16="measured at an earlier start")
        return str(known)
    items = kind.sample(tokenizer_for(model, graph.tokenizer, graph.facts), number_types.SAMPLES)
    exact = open_network(number_types.EXACT)
    dtype = number_types.choose(model.id, exact, partial(open_network, number_types.FAST), items, kind.loss)
    verdicts.keep(key, dtype)
    return dtype


def graph_of(model: ModelSettings, *, folder: Path, kind: Kind) -> Graph:
    """The model's graph, in float32 unless its settings say int8.

    Raises:
        StartupError: its files are missing or damaged, or neither the builder nor torch can make one.
    """
    is_int8 = model.dtype == "int8"
    try:
        built: Built = importlib.import_module(kind.graph).build(model.id, folder, int8=is_int8, **model.options)
    except Unbuildable as exc:
        if find_spec("torch") is None:
            raise
        if is_int8:
            raise StartupError(f"{exc}; or another dtype: what torch converts is not rounded to int8") from exc
        log.info("model_not_built", model=model.id, reason=str(exc))
        return converted(model, folder, kind)
    return Graph(model=built.model, tokenizer=built.tokenizer, facts=built.facts, drop_pages=built.drop_pages)


def _give_back_memory() -> None:
    """Let the system have what building left free: 90 MB after a quantised ONNX file. Only glibc keeps it."""
    if (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)) is not None:
        trim(0)


def _network(
    model_id: str, folder: Path, graph: Any, facts: ModelFacts, threads: int, replicas: int, dtype: str
) -> Network:
    try:
        return OpenVinoNetwork(graph, facts=facts, dtype=dtype, threads=threads, replicas=replicas)
    except RuntimeError as exc:
        raise StartupError(f"model {model_id}: OpenVINO cannot compile {folder} ({exc}); check its files") from exc
