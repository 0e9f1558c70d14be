"""What ModernBERT's config says of rotations, and of layers that see only near tokens."""

from __future__ import annotations

from dataclasses import dataclass

from services.models.backends.openvino.graph.architectures import Shape
from services.models.backends.openvino.graph.config import Config
from services.models.backends.openvino.graph.problems import DamagedError, NotKnownError

_NEAR, _ALL = "sliding_attention", "full_attention"
_THETAS = {_NEAR: ("local_rope_theta", 10_000.0), _ALL: ("global_rope_theta", 160_000.0)}
_KIND = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotary:
    """Rotations and reach of each layer."""

    window: int
    """Most distance of a near token."""
    is_near: tuple[bool, ...]
    """By layer: it sees only near tokens."""
    thetas: tuple[float, ...]
    """By layer: base of the rotations' speeds."""


def read_rotary(config: Config, shape: Shape) -> Rotary:
    """The settings in their form before and since transformers 5.

    Raises:
        NotKnownError: it rotates in another way.
        DamagedError: the settings are no numbers, or not one for each layer.
    """
    if config.get("rope_scaling"):
        raise NotKnownError("the setting 'rope_scaling'")
    if shape.head_size % 2:
        raise NotKnownError(f"a rotation of an odd number of values ({shape.head_size})")
    kinds = _kinds(config, shape.layers)
    thetas = {kind: _theta(config, kind) for kind in _THETAS}
    return Rotary(
        window=config.whole("local_attention", 128) // 2,
        is_near=tuple(kind == _NEAR for kind in kinds),
        thetas=tuple(thetas[kind] for kind in kinds),
    )


def _kinds(config: Config, layers: int) -> list[str]:
    kinds = config.get("layer_types")
    if kinds is None:
        every = config.whole("global_attn_every_n_layers", 3)
        return [_NEAR if layer % every else _ALL for layer in range(layers)]
    if not isinstance(kinds, list) or len(kinds) != layers:
        raise DamagedError(f"layer_types does not name {layers} layers")
    for kind in kinds:
        if kind not in (_NEAR, _ALL):  # a list cannot be in a set
            raise NotKnownError(f"the layer type {str(kind)[:100]!r}", [_ALL, _NEAR])
    return kinds


def _theta(config: Config, kind: str) -> float:
    settings = config.part("rope_parameters").part(kind)
    if (name := settings.text("rope_type", _KIND)) != _KIND:
        raise NotKnownError(f"the rotation {name[:100]!r}", [_KIND])
    return settings.number("rope_theta", config.number(*_THETAS[kind]))
