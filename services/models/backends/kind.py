"""What tells one kind of model from another: how it is built, opened, tried and judged, and what serves it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from services.models.backends.device_model import Parts
from services.models.backends.network import ModelFacts
from services.models.backends.tokenizer import ModelTokenizer
from services.models.models import Tokens

Results = npt.NDArray[np.float32]
"""What a model gives for some items, shape (items, ...)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """What a number type loses against float32, over sample texts."""

    is_small: bool
    """Nobody who uses the results would notice."""
    text: str
    """The differences in numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """A model, ready to be compiled."""

    model: Any
    """An `openvino.Model` in float32: `input_ids`, `attention_mask` and perhaps `token_type_ids` to one output."""
    tokenizer: Tokenizer
    facts: ModelFacts
    labels: int
    """Scores of each item; 0 for vectors."""
    drop_pages: Callable[[], None]
    """To be called after the first batch: takes what was read of mapped weights out of this process's memory, for
    OpenVINO has its own copy of what it uses each time (87 MB less on MiniLM in float32); safe at any time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """Bi-encoders or cross-encoders."""

    graph: str
    """Name of the module whose `build` makes a model `Built`, of its id and folder, of `int8`, which rounds the
    weights, and of the model's options: Unbuildable when something of it is not known, StartupError when its files are
    wrong or it is of another kind. A name, like `pipeline`, so that OpenVINO is imported only where it computes."""
    pipeline: str
    """Name of the module that opens the files with torch, by its `open_module`; see `torch.pipeline`."""
    output: str
    """The feature of that pipeline that is the result."""
    sample: Callable[[ModelTokenizer, int], list[Tokens]]
    """Makes so many varied items to try a model on, or somewhat more."""
    loss: Callable[[Results, Results], Loss]
    """Judges results against those in float32."""
    backend: Callable[[Parts, Any], Any]
    """Makes the service's backend of a loaded model and of its settings: a `DeviceModel` that tokenises."""
