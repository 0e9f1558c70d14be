"""What sentence-transformers puts after the transformer: a text's vector from its token states."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.models.backends.openvino.graph.config import Config, read_json
from services.models.backends.openvino.graph.layers import Layers, Node, activated, integers, op
from services.models.backends.openvino.graph.mapped import MappedMemory
from services.models.backends.openvino.graph.pooling import POOLINGS
from services.models.backends.openvino.graph.problems import DamagedError, NotKnownError
from services.models.backends.openvino.graph.safetensors_files import SINGLE, read_folder

_LIST, _CONFIG = "modules.json", "config.json"
_LIBRARY = "sentence_transformers."
_TRANSFORMER, _POOLING = "Transformer", "Pooling"

_OLD_POOLINGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
"""Switches of a pooling's config before sentence-transformers 5.4; more than one joins the results."""

_NAMED = {"mean": "mean", "cls": "cls", "last": "lasttoken"}
"""Poolings by the names that settings have for them."""

_ACTIVATIONS = {"Tanh": "tanh", "GELU": "gelu", "ReLU": "relu", "SiLU": "silu", "Sigmoid": "sigmoid", "Identity": ""}
"""Of torch, by their names in a Dense module's config."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """One entry of modules.json."""

    kind: str
    """Name of its class in sentence-transformers."""
    folder: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Vector:
    """A text's vector in a graph."""

    node: Node
    """Shape (items, size)."""
    size: int


def has_list(folder: Path) -> bool:
    """True for a folder of sentence-transformers; another holds a transformer alone."""
    return (folder / _LIST).is_file()


def read_modules(folder: Path) -> list[Module]:
    """A model's modules, the transformer first; that one alone without modules.json.

    Raises:
        NotKnownError: the first is no transformer, or one is no module of sentence-transformers.
        DamagedError: the file is damaged, or points out of the folder.
    """
    if not has_list(folder):
        return [Module(kind=_TRANSFORMER, folder=folder)]
    entries = read_json(folder / _LIST)
    if not isinstance(entries, list) or not entries:
        raise DamagedError(f"{_LIST} holds no list of modules")
    modules = [_module(folder, entry) for entry in entries]
    if modules[0].kind != _TRANSFORMER:
        raise NotKnownError(f"the first module {modules[0].kind!r}", [_TRANSFORMER])
    return modules


def vector_of(states: Node, mask: Node, modules: Sequence[Module], *, hidden: int, pooling: str = "") -> Vector:
    """The graph of what comes after the transformer.

    Args:
        states: of the tokens, shape (items, tokens, hidden).
        mask: 1 for a token, 0 for padding, shape (items, tokens).
        modules: what comes after.
        hidden: values of a state.
        pooling: mean, cls or last in place of the modules' own; empty for theirs.

    Raises:
        NotKnownError: a module, or a choice of it, is another.
        DamagedError: a module's files are damaged.
    """
    if not modules or modules[0].kind != _POOLING:
        kind = modules[0].kind if modules else None
        raise NotKnownError(f"the module {kind!r} after the transformer", [_POOLING])
    own, *rest = modules
    mode = _NAMED[pooling] if pooling else _pooling(own.folder, hidden)
    vector = Vector(node=POOLINGS[mode](states, mask), size=hidden)
    for module in rest:
        if module.kind not in _AFTER_POOLING:
            raise NotKnownError(f"the module {module.kind!r} after pooling", list(_AFTER_POOLING))
        vector = _AFTER_POOLING[module.kind](vector, module.folder)
    return vector


def pooled(states: Node, mask: Node, *, hidden: int, pooling: str) -> Vector:
    """The vector of a transformer that stands alone, as sentence-transformers takes it: the mean of its states.

    Args:
        states: of the tokens, shape (items, tokens, hidden).
        mask: 1 for a token, 0 for padding, shape (items, tokens).
        hidden: values of a state.
        pooling: mean, cls or last; vectors then get unit length, as those who name it for such a folder have them.
            Empty for the mean as it is.
    """
    node = POOLINGS[_NAMED[pooling or "mean"]](states, mask)
    return Vector(node=_unit_length(node) if pooling else node, size=hidden)


def _module(folder: Path, entry: Any) -> Module:
    kind, path = (entry.get("type"), entry.get("path")) if isinstance(entry, dict) else (None, None)
    if not isinstance(kind, str) or not isinstance(path, str):
        raise DamagedError(f"{_LIST}: an entry has no type or no path")
    if Path(path).is_absolute() or ".." in Path(path).parts:
        raise DamagedError(f"{_LIST}: {path[:100]!r} is out of the folder")
    if not kind.startswith(_LIBRARY):
        raise NotKnownError(f"the module {kind[:100]!r}, which is code of its own,", ["sentence_transformers'"])
    return Module(kind=kind.rpartition(".")[2][:100], folder=folder / path)


def _pooling(folder: Path, hidden: int) -> str:
    config = Config.read(folder / _CONFIG)
    for key in ("embedding_dimension", "word_embedding_dimension"):
        if config.whole(key, hidden) != hidden:
            raise DamagedError(f"{folder.name}: {key} is {config.get(key)}, and the transformer gives {hidden}")
    switched = [mode for key, mode in _OLD_POOLINGS.items() if config.flag(key, default=False)]
    found = config.get("pooling_mode") or switched or ["mean"]
    modes = found if isinstance(found, list) else [found]
    if len(modes) != 1 or modes[0] not in list(POOLINGS):
        raise NotKnownError(f"the pooling {'+'.join(map(str, modes))[:100]!r}", list(POOLINGS))
    mode: str = modes[0]
    return mode


def _dense(vector: Vector, folder: Path) -> Vector:
    config = Config.read(folder / _CONFIG)
    _only_defaults(config, {"module_input_name": "sentence_embedding", "module_output_name": "sentence_embedding"})
    _only_defaults(config, {"use_residual": False})
    memory = MappedMemory()
    if (weights := read_folder(folder, memory)) is None:
        raise NotKnownError(f"a Dense module without {SINGLE}")
    inputs, outputs = config.whole("in_features", vector.size), config.whole("out_features", vector.size)
    if inputs != vector.size:
        raise DamagedError(f"{folder.name}: in_features is {inputs}, and what comes before gives {vector.size}")
    bias = config.flag("bias", default=True)
    node = Layers(weights, memory).linear(vector.node, "linear", inputs=inputs, outputs=outputs, bias=bias)
    return Vector(node=_activated(node, config.text("activation_function", "torch.nn.Tanh")), size=outputs)


def _activated(node: Node, path: str) -> Node:
    library, _, name = path.rpartition(".")
    if library.partition(".")[0] != "torch" or name not in _ACTIVATIONS:
        raise NotKnownError(f"the activation {path[:100]!r} of a Dense module", list(_ACTIVATIONS))
    return activated(node, _ACTIVATIONS[name]) if _ACTIVATIONS[name] else node


def _normalized(vector: Vector, folder: Path) -> Vector:
    _only_defaults(
        Config.read(folder / _CONFIG),
        {"module_input_name": "sentence_embedding", "module_output_name": "sentence_embedding"},
    )
    return Vector(node=_unit_length(vector.node), size=vector.size)


def _unit_length(vectors: Node) -> Node:
    # The square of torch's smallest norm, 1e-12.
    return op.normalize_l2(vectors, integers(1), 1e-24, "max")


def _unchanged(vector: Vector, _folder: Path) -> Vector:
    return vector


_AFTER_POOLING: Mapping[str, Callable[[Vector, Path], Vector]] = {
    "Dense": _dense,
    "Normalize": _normalized,
    "Dropout": _unchanged,
}


def _only_defaults(config: Config, defaults: Mapping[str, object]) -> None:
    for key, default in defaults.items():
        if config.get(key) not in (None, default):  # a list cannot be in a set
            raise NotKnownError(f"the setting {key} {str(config.get(key))[:100]!r} of a module", [str(default)])
