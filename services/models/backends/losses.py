"""What each number type loses on the models that a service's settings name, for `isolane models losses`.

python -m services.models.backends.losses embedding
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from services.common.errors import DeviceError, StartupError
from services.models.backends.kind import Kind
from services.models.backends.number_types import EXACT, compute
from services.models.backends.openvino.loading import graph_of
from services.models.backends.openvino.network import OpenVinoNetwork, can_compute
from services.models.backends.tokenizer import tokenizer_for
from services.models.models import locate
from services.models.settings import ModelSettings

_DTYPES = ("bfloat16", "int8")
_SAMPLES = 240


def main(service: str, models: Callable[[], Sequence[ModelSettings]], kind: Kind) -> int:
    """Print a line for each model and number type; returns the exit status, 1 after a problem.

    Args:
        service: whose models.
        models: reads its settings; may raise StartupError.
        kind: of its models.
    """
    status = 0
    try:
        configured = models()
    except StartupError as exc:
        sys.stderr.write(f"{service}: {exc}\n")
        return 1
    for model in configured:
        try:
            for line in losses(model, locate(model.source, wanted=model.revision), kind):
                sys.stdout.write(f"{service}: {model.id} {line}\n")
                sys.stdout.flush()
        except (StartupError, DeviceError) as exc:
            sys.stderr.write(f"{service}: {exc}\n")
            status = 1
    return status


def losses(model: ModelSettings, folder: Path, kind: Kind) -> Iterator[str]:
    """One line for each number type.

    Raises:
        StartupError: the model cannot be loaded.
        DeviceMemoryFull: there is no memory to compute with it.
    """
    exact = graph_of(model.model_copy(update={"dtype": EXACT}), folder=folder, kind=kind)
    items = kind.sample(tokenizer_for(model, exact.tokenizer, exact.facts), _SAMPLES)
    network = OpenVinoNetwork(exact.model, facts=exact.facts, dtype=EXACT, threads=0, replicas=1)
    expected = compute(network, items)
    network.close()
    for dtype in _DTYPES:
        if not can_compute(dtype):
            yield f"{dtype}: this processor has no instructions for it"
            continue
        graph = exact
        if dtype == "int8":
            graph = graph_of(model.model_copy(update={"dtype": dtype}), folder=folder, kind=kind)
        network = OpenVinoNetwork(graph.model, facts=graph.facts, dtype=dtype, threads=0, replicas=1)
        yield f"{dtype}: {kind.loss(expected, compute(network, items)).text}"
        network.close()


if __name__ == "__main__":
    _, service = sys.argv
    task = importlib.import_module(f"services.{service}.app").TASK
    sys.exit(main(service, lambda: task.settings.load().models, importlib.import_module(task.kind).KIND))
