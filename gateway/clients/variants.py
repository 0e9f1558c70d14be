"""Which variants of each model answered lately: instances that compute one model differently show by their replies.

Behind a sidecar a reply is all that tells what kind of instance answered, so that replies are what counts everywhere.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType

from isolane.common.v1 import model_pb2
from msgspec import Struct

from gateway.metrics import model_variants
from services.common.deadline import Clock
from services.common.telemetry.logs import get_logger

LATELY_S = 600.0
"""How long a reply counts. Longer shows a difference longer after its end; shorter lets it come and go where traffic is
thin: of two instances that share one request a minute, one gets none of ten by chance in 2 x 0.5^10, one time in 512;
of five in 2 x 0.5^5, one in 16. Unit: seconds."""

_MOST_MODELS = 64
_MOST_VARIANTS = 8
"""Bounds of memory and of the metric's labels, far above what services serve; beyond them the longest silent goes."""

_EXACT = "float32"
"""The number type in which backends agree: all-MiniLM-L6-v2 by OpenVINO and by torch differs by 3e-13 of 1 - cosine in
it, and in bfloat16 by 4e-5, as each rounds where it likes, which is more than OpenVINO's bfloat16 loses (1.5e-5)."""

_REMEDIES: Mapping[str, str] = MappingProxyType(
    {
        "revision": "let the update end, or give all instances the same files",
        "dtype": "name its `dtype` in the `models` of all instances",
        "backend": "name `backend` in the settings of all instances, or the `dtype` float32",
    }
)
"""What to do, by the field in which variants differ."""

log = get_logger()


class Variant(Struct, frozen=True, kw_only=True):
    """What decides the numbers that a model gives; the device does so only by the backend and type that it leads to."""

    revision: str
    dtype: str
    backend: str
    """Empty in float32, in which backends agree."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A model that more than one variant of answered lately."""

    model: str
    silent_s: Mapping[Variant, float]
    """How long ago each answered last. Unit: seconds."""

    @property
    def reason(self) -> str:
        """In what they differ and what to do, for people."""
        found = [
            f"{name} ({', '.join(values)}): {remedy}"
            for name, remedy in _REMEDIES.items()
            if len(values := sorted({getattr(variant, name) for variant in self.silent_s} - {""})) > 1
        ]
        return f"its instances differ in {'; in '.join(found)}"


@dataclass(slots=True, kw_only=True)
class _Followed:
    """What is known of a model."""

    answered_s: dict[Variant, float] = field(default_factory=dict)
    """When each variant answered last, on the clock."""
    differs: bool = False
    """Whether the log was told that it does."""

    @property
    def last_s(self) -> float:
        """When any variant answered last."""
        return max(self.answered_s.values(), default=-math.inf)


class Variants:
    """Takes note of the models that a service's replies name.

    Args:
        service: the upstream's name.
        clock: monotonic.
    """

    def __init__(self, service: str, *, clock: Clock = time.monotonic) -> None:
        self._service = service
        self._clock = clock
        self._models: dict[str, _Followed] = {}

    def note(self, *messages: model_pb2.Model) -> None:
        """Remember what answered just now."""
        for message in messages:
            followed = self._models.get(message.id) or self._follow(message.id)
            followed.answered_s[_variant(message)] = self._clock()
            if len(followed.answered_s) > 1:
                self._lately(message.id)

    def differences(self) -> tuple[Difference, ...]:
        """The models that more than one variant of answered lately."""
        now_s = self._clock()
        return tuple(
            Difference(model=model, silent_s={variant: now_s - at_s for variant, at_s in answered_s.items()})
            for model in self._models
            if len(answered_s := self._lately(model)) > 1
        )

    def _follow(self, model: str) -> _Followed:
        if len(self._models) >= _MOST_MODELS:
            silent = min(self._models, key=lambda name: self._models[name].last_s)
            model_variants().remove(self._service, silent)
            del self._models[silent]
        self._models[model] = followed = _Followed()
        model_variants().labels(self._service, model).set_function(partial(self._count, model))
        return followed

    def _count(self, model: str) -> float:
        return float(len(self._lately(model)))

    def _lately(self, model: str) -> Mapping[Variant, float]:
        """When each variant answered that did lately; forgets the others and tells the log."""
        followed, since_s = self._models[model], self._clock() - LATELY_S
        newest_first = sorted(followed.answered_s.items(), key=lambda item: item[1], reverse=True)
        followed.answered_s = {variant: at_s for variant, at_s in newest_first[:_MOST_VARIANTS] if at_s > since_s}
        self._tell(model, followed)
        return followed.answered_s

    def _tell(self, model: str, followed: _Followed) -> None:
        """One line when a difference begins, and one when it ends."""
        differs = len(followed.answered_s) > 1
        if differs and not followed.differs:
            reason = Difference(model=model, silent_s=dict.fromkeys(followed.answered_s, 0.0)).reason
            log.warning("model_differs", upstream=self._service, model=model, reason=reason)
        elif followed.differs and not differs:
            log.info("model_differs_no_longer", upstream=self._service, model=model)
        followed.differs = differs


def _variant(message: model_pb2.Model) -> Variant:
    backend = "" if message.dtype == _EXACT else message.backend
    return Variant(revision=message.revision, dtype=message.dtype, backend=backend)
