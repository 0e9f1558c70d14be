"""Calls of the engines as messages: pictures travel as their pixels, answers as JSON and arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from math import prod
from types import MappingProxyType
from typing import Any

import numpy as np

from services.documents.backends.engines.base import (
    Engines,
    Picture,
    Quads,
    Recognized,
    Region,
    RegionKind,
    TableCell,
)
from services.documents.backends.frames import Message

_MOST_SIDE = 20_000
"""Of a picture: one that is longer takes as long as a hundred pages. Unit: pixels."""
_MOST_BYTES = 64 * 1024 * 1024
"""Of a picture; pages are looked at with 12 MB, and cut into lines where they are read."""

Ask = Callable[[Message], Message]
"""Sends a call and waits for its answer."""


class EnginesFailed(Exception):
    """The engines are gone, or could do nothing with a call."""


class RemoteEngines:
    """Engines of another process; each of its methods raises `EnginesFailed` where that cannot do it.

    Args:
        ask: reaches it.
    """

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def regions(self, page: Picture) -> Sequence[Region]:
        """See `Engines`."""
        found = self._do(_call("regions", [page])).header["answer"]
        return [Region(kind=RegionKind(each["kind"]), score=each["score"], box=_box(each)) for each in found]

    def cells(self, table: Picture) -> Sequence[TableCell]:
        """See `Engines`."""
        found = self._do(_call("cells", [table])).header["answer"]
        return [TableCell(**{**each, "box": _box(each)}) for each in found]

    def lines(self, picture: Picture) -> Quads:
        """See `Engines`."""
        [corners] = self._do(_call("lines", [picture])).parts
        return np.frombuffer(corners, np.float32).reshape(-1, 4, 2)

    def upside_down(self, lines: Sequence[Picture]) -> Sequence[float]:
        """See `Engines`."""
        return [float(score) for score in self._do(_call("upside_down", lines)).header["answer"]]

    def recognize(self, lines: Sequence[Picture]) -> Sequence[Recognized]:
        """See `Engines`."""
        found = self._do(_call("recognize", lines)).header["answer"]
        return [Recognized(**{**each, "places": tuple(each["places"])}) for each in found]

    def _do(self, call: Message) -> Message:
        answer = self._ask(call)
        if problem := answer.header.get("problem"):
            raise EnginesFailed(problem)
        return answer


def answer(engines: Engines, call: Message) -> Message:
    """Do what a call asks for.

    Raises:
        ValueError, KeyError: it is no call.
    """
    return _ANSWERS[call.header["call"]](engines, _pictures(call))


def _call(name: str, pictures: Sequence[Picture]) -> Message:
    return Message(
        header={"call": name, "shapes": [list(picture.shape) for picture in pictures]},
        parts=[picture.tobytes() for picture in pictures],
    )


def _pictures(call: Message) -> list[Picture]:
    for shape in call.header["shapes"]:
        if max(shape) > _MOST_SIDE or prod(shape) > _MOST_BYTES:
            raise ValueError(f"a picture of {shape}")  # whoever asks must not hold up all others
    return [
        np.frombuffer(part, np.uint8, count=prod(shape)).reshape(shape)
        for shape, part in zip(call.header["shapes"], call.parts, strict=True)
    ]


def _values(found: Sequence[Any]) -> Message:
    return Message(header={"answer": [asdict(each) for each in found]})


_ANSWERS: Mapping[str, Callable[[Engines, list[Picture]], Message]] = MappingProxyType(
    {
        "regions": lambda engines, pictures: _values(engines.regions(pictures[0])),
        "cells": lambda engines, pictures: _values(engines.cells(pictures[0])),
        "lines": lambda engines, pictures: Message(
            header={}, parts=[np.ascontiguousarray(engines.lines(pictures[0]), np.float32).tobytes()]
        ),
        "upside_down": lambda engines, pictures: Message(header={"answer": list(engines.upside_down(pictures))}),
        "recognize": lambda engines, pictures: _values(engines.recognize(pictures)),
    }
)


def _box(value: Mapping[str, Any]) -> tuple[float, float, float, float]:
    left, top, right, bottom = value["box"]
    return left, top, right, bottom
