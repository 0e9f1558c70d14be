from __future__ import annotations

import numpy as np
import pytest

from services.embedding.vectors import VectorType, cut, pack

MATRIX = np.random.default_rng(0).standard_normal((5, 12), dtype=np.float32)


def cosines(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    result: np.ndarray = (left * right).sum(axis=1) / lengths
    return result


@pytest.mark.parametrize(("vector_type", "dtype"), [(VectorType.FLOAT32, "<f4"), (VectorType.FLOAT16, "<f2")])
def test_floats_are_little_endian_row_after_row(vector_type: VectorType, dtype: str) -> None:
    packed = pack(MATRIX, vector_type)

    back = np.frombuffer(packed.data, dtype=dtype).reshape(5, 12)
    assert np.allclose(back, MATRIX, atol=2e-3)
    assert packed.scales == ()


def test_int8_comes_back_by_its_scales() -> None:
    packed = pack(MATRIX, VectorType.INT8)

    back = np.frombuffer(packed.data, dtype=np.int8).reshape(5, 12)
    assert np.abs(back).max(axis=1).tolist() == [127] * 5
    assert cosines(back.astype(np.float32), MATRIX).min() > 0.9999
    assert np.allclose(back * np.array(packed.scales)[:, None], MATRIX, atol=max(packed.scales))


def test_binary_keeps_the_signs_eight_to_a_byte() -> None:
    packed = pack(MATRIX, VectorType.BINARY)

    assert len(packed.data) == 5 * 2
    bits = np.unpackbits(np.frombuffer(packed.data, dtype=np.uint8).reshape(5, 2), axis=1)[:, :12]
    assert np.array_equal(bits.astype(bool), MATRIX > 0)


@pytest.mark.parametrize("vector_type", VectorType)
def test_rows_of_zeros_of_failed_items_stay_zeros(vector_type: VectorType) -> None:
    packed = pack(np.zeros((2, 12), dtype=np.float32), vector_type)

    assert not any(packed.data)
    assert not any(packed.scales)


@pytest.mark.parametrize("vector_type", VectorType)
def test_no_rows_are_no_bytes(vector_type: VectorType) -> None:
    assert pack(np.zeros((0, 12), dtype=np.float32), vector_type).data == b""


def test_cut_vectors_have_unit_length_and_their_old_direction() -> None:
    matrix = MATRIX.copy()
    matrix[2] = 0

    shorter = cut(matrix, 4)

    assert shorter.shape == (5, 4)
    assert np.allclose(np.linalg.norm(shorter, axis=1), [1, 1, 0, 1, 1])
    assert cosines(shorter[[0, 1, 3]], MATRIX[[0, 1, 3], :4]).min() > 0.999999
