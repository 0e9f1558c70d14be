"""When vectors in another number type are as good as those in float32."""

from __future__ import annotations

import numpy as np
import pytest

from services.embedding.backends.judging import loss

EXPECTED = np.array([[1.0, 0.0], [0.0, 2.0]], dtype=np.float32)


def turned(far: float) -> np.ndarray:
    """The first vector turned by so much, the second as it was."""
    return np.array([[1.0, far], [0.0, 2.0]], dtype=np.float32)


def test_the_length_of_a_vector_is_not_judged() -> None:
    assert loss(EXPECTED, 3 * EXPECTED).is_small


@pytest.mark.parametrize(("far", "is_small"), [(0.013, True), (0.015, False)])
def test_the_worst_cosine_decides(far: float, is_small: bool) -> None:
    assert loss(EXPECTED, turned(far)).is_small is is_small


def test_mean_and_worst_are_told() -> None:
    found = loss(EXPECTED, turned(0.02))

    assert found.text == "1 - cosine with float32 is 0.000100 in the mean, 0.000200 at most"


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_what_is_no_number_is_a_loss(wrong: float) -> None:
    with np.errstate(invalid="ignore"):
        assert not loss(EXPECTED, turned(wrong)).is_small
