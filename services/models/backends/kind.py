"""What tells one kind of model from another: how it is built, tried and judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

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


class Build(Protocol):
    """Makes a model's graph from its own files."""

    def __call__(self, model_id: str, folder: Path, *, int8: bool, **options: str) -> Built:
        """The graph, with weights in eight bits or not.

        Raises:
            Unbuildable: the builder does not know something of it.
            StartupError: its files are missing or damaged, or it is of another kind.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """Bi-encoders or cross-encoders."""

    build: Build
    pipeline: str
    """Name of the module that loads the files with torch, as its `open_pipeline`."""
    output: str
    """The feature of that pipeline that is the result."""
    options: Mapping[str, str] = field(default_factory=dict)
    """More arguments of `build` and `open_pipeline`."""
    sample: Callable[[ModelTokenizer, int], list[Tokens]]
    """Makes so many varied items to try a model on, or somewhat more."""
    loss: Callable[[Results, Results], Loss]
    """Judges results against those in float32."""
