"""A model's graph on the CPU, with OpenVINO."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
import numpy.typing as npt

from services.common.errors import DeviceMemoryFull
from services.models.backends.network import ModelFacts
from services.models.backends.openvino.runtime import openvino
from services.models.backends.padding import Arrays, padded
from services.models.models import Tokens

_PRECISION: Mapping[str, Mapping[str, Any]] = {
    "float32": {"INFERENCE_PRECISION_HINT": "f32"},
    "bfloat16": {"INFERENCE_PRECISION_HINT": "bf16"},
    # Activations are rounded in groups of 64: 2.4 x float32 on MiniLM; groups of 128 gain little more and lose more.
    "int8": {"INFERENCE_PRECISION_HINT": "f32", "DYNAMIC_QUANTIZATION_GROUP_SIZE": 64},
}

_TWICE_BYTES = 48 << 20
"""
What a second compiled form may take. On two cores, bfloat16, MiniLM-L6 (43 MiB) through the gateway, one for batches
side by side gives 1.10 x the tokens a second at 1 x 32, 1.17 x at 32 x 4 and 1.25 x at 1 x 4, and one for a batch alone
1.8 x the speed of a single text. The bare gain falls with the work of a batch: 1.33 x for 128 tokens, 1.07 x for 1,024,
0.97 x for texts of 256 tokens. So does it with larger models, for which the memory counts.
"""
_BYTES_PER_WEIGHT = {"float32": 4, "bfloat16": 2, "int8": 1}

# A process's first batches must not be two at once: both initialise the binding's table of types, one with the GIL and
# one with the table's lock, and wait for each other for ever (seen with OpenVINO 2026.4.1).
_FIRST_BATCH = threading.Lock()


class OpenVinoNetwork:
    """Compiles a small model twice: `wide` takes all threads for one batch, `narrow` computes several side by side.

    Each of the two packs the weights anew, and OpenVINO cannot share them. A model whose second form would take more
    than `_TWICE_BYTES` is compiled once, `wide`: its batches keep all threads busy as well. Who asks for `replicas`
    gets both forms, and pays for them.

    Args:
        model: a path of an .xml file, or an `openvino.Model`.
        facts: of the model.
        dtype: of the computation: float32, bfloat16, or int8 for a graph whose weights are rounded.
        threads: CPU threads; 0 takes one per core.
        replicas: batches side by side; 0 takes one per thread for a small model, else one.

    Raises:
        RuntimeError: the model cannot be read or compiled, or its weights are not finite.
    """

    def __init__(self, model: Any, *, facts: ModelFacts, dtype: str, threads: int, replicas: int) -> None:
        threads = threads or len(os.sched_getaffinity(0))
        self._facts = facts
        model = openvino.Core().read_model(model) if isinstance(model, Path) else model
        is_small = _form_bytes(model, dtype) <= _TWICE_BYTES
        self._replicas = replicas or (threads if is_small else 1)
        settings = {**_PRECISION[dtype], "INFERENCE_NUM_THREADS": threads, "ENABLE_CPU_PINNING": False}
        self._wide = _Requests(model, settings, 1)
        self._narrow = _Requests(model, settings, self._replicas) if self._replicas > 1 else self._wide
        with _FIRST_BATCH:
            for requests in (self._wide, self._narrow):
                if not np.isfinite(requests.infer(self.prepare([Tokens(ids=(facts.pad_id,))]))).all():
                    raise RuntimeError("it gives no finite numbers")

    @property
    def replicas(self) -> int:
        """Batches side by side."""
        return self._replicas

    def prepare(self, batch: Sequence[Tokens]) -> Arrays:
        """Padded arrays."""
        return padded(batch, pad_id=self._facts.pad_id, has_types=self._facts.has_types)

    def compute(self, prepared: Arrays, *, alone: bool) -> npt.NDArray[np.float32]:
        """What the model gives, shape (items, dimensions) or (items, 1).

        Raises:
            DeviceMemoryFull: there is no memory for so large a batch.
        """
        return (self._wide if alone else self._narrow).infer(prepared)

    def close(self) -> None:
        """Free the memory."""
        self._wide.close()
        self._narrow.close()


def can_compute(dtype: str) -> bool:
    """True when this processor has instructions for a number type; without them OpenVINO silently takes float32."""
    return dtype != "bfloat16" or "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def _form_bytes(model: Any, dtype: str) -> int:
    """What one compiled form takes: the weights of linear layers, packed anew, and tables where they are rounded."""
    matrices = [op for op in model.get_ops() if op.get_type_name() == "Constant" and len(op.get_output_shape(0)) > 1]
    # Forms in float32 share the tables with the graph.
    counted = [op for op in matrices if dtype == "bfloat16" or not _is_table(op)]
    return _BYTES_PER_WEIGHT[dtype] * sum(int(math.prod(op.get_output_shape(0))) for op in counted)


def _is_table(constant: Any) -> bool:
    return all(use.get_node().get_type_name() == "Gather" for use in constant.output(0).get_target_inputs())


class _Requests:
    """A compiled model and its infer requests, one per stream."""

    def __init__(self, model: Any, settings: Mapping[str, Any], streams: int) -> None:
        compiled = openvino.Core().compile_model(model, "CPU", {**settings, "NUM_STREAMS": streams})
        self._free: SimpleQueue[Any] = SimpleQueue()
        for _ in range(streams):
            self._free.put(compiled.create_infer_request())

    def infer(self, inputs: Arrays) -> npt.NDArray[np.float32]:
        """Wait for a free request and use it; as many threads as streams never wait."""
        if (request := self._free.get()) is None:
            self._free.put(None)
            raise RuntimeError("the model was closed. This is a bug.")
        try:
            result = request.infer(inputs, share_inputs=True, share_outputs=True)[0]
            # A copy: the request's memory is written again by its next batch.
            return np.array(result, dtype=np.float32)
        except (MemoryError, RuntimeError) as exc:
            if isinstance(exc, MemoryError) or "bad_alloc" in str(exc):
                raise DeviceMemoryFull(f"no memory for a batch of shape {inputs['input_ids'].shape}") from exc
            raise
        finally:
            self._free.put(request)

    def close(self) -> None:
        """Drop the requests, and with them the model."""
        while not self._free.empty():
            self._free.get()
        self._free.put(None)
