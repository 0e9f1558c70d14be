"""Calls of the engines there and back, as they travel between processes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from services.documents.backends.engines.base import Picture, Quads, Recognized, Region, RegionKind, TableCell
from services.documents.backends.engines.calls import EnginesFailed, RemoteEngines, answer
from services.documents.backends.engines.fake import FakeEngines
from services.documents.backends.frames import Message, _decode, encode

PICTURE = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
WIDE = np.arange(1 * 7 * 3, dtype=np.uint8).reshape(1, 7, 3)
REGION = Region(kind=RegionKind.TABLE, score=0.5, box=(1.0, 2.0, 3.5, 4.0))
CELL = TableCell(row=1, column=2, row_span=1, column_span=3, is_header=True, box=(0.0, 1.0, 2.0, 3.0))
QUADS = np.arange(16, dtype=np.float32).reshape(2, 4, 2)


class Noting(FakeEngines):
    """Answers with what stands above, and keeps the pictures."""

    def __init__(self) -> None:
        self.seen: list[Picture] = []

    def regions(self, page: Picture) -> Sequence[Region]:
        self.seen.append(page)
        return [REGION]

    def cells(self, table: Picture) -> Sequence[TableCell]:
        self.seen.append(table)
        return [CELL]

    def lines(self, picture: Picture) -> Quads:
        self.seen.append(picture)
        return QUADS

    def upside_down(self, lines: Sequence[Picture]) -> Sequence[float]:
        self.seen.extend(lines)
        return [0.25] * len(lines)

    def recognize(self, lines: Sequence[Picture]) -> Sequence[Recognized]:
        self.seen.extend(lines)
        return [Recognized(text="aß語", score=0.75, places=(0.1, 0.5, 0.9))] * len(lines)


def sent(message: Message) -> Message:
    """As it arrives."""
    _, header, *parts = encode(message)
    return Message(header=_decode(header), parts=[bytes(part) for part in parts])


def remote(engines: FakeEngines) -> RemoteEngines:
    return RemoteEngines(lambda call: sent(answer(engines, sent(call))))


@pytest.mark.parametrize("shape", [(1, 30_000, 3), (6000, 6000, 3)])
def test_a_picture_that_would_hold_up_all_others_is_no_call(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="a picture of"):
        remote(Noting()).lines(np.zeros(shape, np.uint8))


def test_pictures_and_answers_arrive_as_they_were_sent() -> None:
    engines = Noting()
    far = remote(engines)

    assert far.regions(PICTURE) == [REGION]
    assert far.cells(PICTURE[:, ::-1]) == [CELL]
    assert np.array_equal(far.lines(PICTURE), QUADS)
    assert far.upside_down([PICTURE, WIDE]) == [0.25, 0.25]
    assert far.recognize([WIDE]) == [Recognized(text="aß語", score=0.75, places=(0.1, 0.5, 0.9))]
    expected = [PICTURE, PICTURE[:, ::-1], PICTURE, PICTURE, WIDE, WIDE]
    assert all(np.array_equal(seen, wanted) for seen, wanted in zip(engines.seen, expected, strict=True))


def test_no_lines_are_an_empty_array() -> None:
    assert remote(FakeEngines()).lines(PICTURE).shape == (0, 4, 2)


def test_engines_that_are_gone_fail_the_call() -> None:
    far = RemoteEngines(lambda _call: Message(header={"problem": "it is gone"}))

    with pytest.raises(EnginesFailed, match="it is gone"):
        far.regions(PICTURE)
