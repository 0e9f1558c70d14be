"""Vectors read from bytes."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.clients.vectors import Dtype, Vectors

TYPES: dict[Dtype, str] = {"float32": "<f4", "float16": "<f2", "int8": "i1"}


def vectors(array: npt.NDArray[np.float64], dtype: Dtype) -> Vectors:
    rows, dimensions = array.shape
    scales = (0.5,) * rows if dtype == "int8" else ()
    data = array.astype(TYPES[dtype]).tobytes()
    return Vectors(data=data, dtype=dtype, rows=rows, dimensions=dimensions, scales=scales)


@pytest.mark.parametrize("dtype", TYPES)
def test_rows_are_read_as_numpy_reads_them_and_their_bytes_are_not_copied(dtype: Dtype) -> None:
    array = np.array([[1.0, -2.0, 3.0], [0.5, 0.0, -127.0]])

    read = vectors(array, dtype)

    assert [read.numbers(row) for row in (0, 1)] == [tuple(row) for row in array.astype(TYPES[dtype]).tolist()]
    assert read.packed(1).obj is read.data
    assert bytes(read.packed(1)) == array.astype(TYPES[dtype])[1].tobytes()
    assert read.is_whole
    assert read.is_finite


def test_binary_rows_are_whole_bytes() -> None:
    bits = np.array([[1, 0, 0, 0, 0, 0, 0, 1, 1, 0], [0] * 9 + [1]], dtype=bool)
    packed = np.packbits(bits, axis=1)

    read = Vectors(data=packed.tobytes(), dtype="binary", rows=2, dimensions=10)

    assert [read.numbers(row) for row in (0, 1)] == [(0b10000001, 0b10000000), (0, 0b01000000)]
    assert bytes(read.packed(1)) == b"\x00\x40"
    assert read.is_whole


@pytest.mark.parametrize(
    "wrong",
    [
        Vectors(data=b"\x00" * 7, dtype="float32", rows=1, dimensions=2),
        Vectors(data=b"\x00" * 8, dtype="float16", rows=1, dimensions=2),
        Vectors(data=b"\x00" * 2, dtype="int8", rows=1, dimensions=2),
        Vectors(data=b"\x00" * 4, dtype="float32", rows=1, dimensions=1, scales=(1.0,)),
        Vectors(data=b"\x00", dtype="binary", rows=1, dimensions=9),
    ],
    ids=["short", "long", "no scales", "scales", "binary"],
)
def test_data_that_does_not_fit_is_not_whole(wrong: Vectors) -> None:
    assert not wrong.is_whole


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("at", [(0, 0), (1, 2)])
def test_a_number_that_is_none_is_found_anywhere(dtype: Dtype, bad: float, at: tuple[int, int]) -> None:
    array = np.ones((2, 3))
    array[at] = bad

    assert not vectors(array, dtype).is_finite


def test_a_scale_that_is_no_number_is_found() -> None:
    assert not Vectors(data=b"\x01", dtype="int8", rows=1, dimensions=1, scales=(float("nan"),)).is_finite


@pytest.mark.parametrize(("dtype", "width"), [("float32", 32), ("float16", 16)])
@given(data=st.data())
def test_finite_is_what_numpy_calls_so(dtype: Dtype, width: Literal[16, 32], data: st.DataObject) -> None:
    numbers = data.draw(st.lists(st.floats(width=width), min_size=1, max_size=8))
    array = np.array([numbers], dtype=TYPES[dtype])

    assert vectors(array, dtype).is_finite == bool(np.isfinite(array).all())
