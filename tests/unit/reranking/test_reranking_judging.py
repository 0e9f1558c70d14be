"""When scores in another number type are as good as those in float32."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from services.models.backends.kind import Loss
from services.reranking.backends.judging import loss


def judged(expected: Sequence[float], found: Sequence[float]) -> Loss:
    return loss(np.array(expected, dtype=np.float32)[:, None], np.array(found, dtype=np.float32)[:, None])


def test_scores_that_stay_lose_little() -> None:
    found = judged([-3, 0, 1, 4], [-3.01, 0.01, 1.01, 4.02])

    assert found.is_small
    assert found.text == (
        "scores move by 0.00250 at most, raw ones, which span 7.0, by 0.0125 in the mean, 0.0200 at most; "
        "the order stays"
    )


@pytest.mark.parametrize(("moved", "is_small"), [(0.03, True), (0.05, False)])
def test_a_score_may_not_move_by_a_hundredth(moved: float, is_small: bool) -> None:
    assert judged([-8, 0, 8], [-8, moved, 8]).is_small is is_small


def test_raw_scores_may_move_further_where_the_score_is_near_0_or_1() -> None:
    assert judged([-11, 0, 11], [-10.5, 0, 10.5]).is_small


@pytest.mark.parametrize("found", [[-9, -9.5, 5], [-9, -9, 5]])
def test_a_pair_that_loses_its_place_is_a_loss_however_little_the_score_moves(found: Sequence[float]) -> None:
    lost = judged([-9.5, -9, 5], found)

    assert not lost.is_small
    assert lost.text.startswith("scores move by 0.0000")
    assert lost.text.endswith("the order changes")


def test_equal_scores_have_no_order_to_lose() -> None:
    assert judged([-9, -9, 5], [-8.999, -9.001, 5]).is_small
    assert judged([1, 1, 1], [1, 1.001, 1]).is_small


def test_nearly_equal_scores_may_change_places() -> None:
    near = judged([-11.0023, -11, -2], [-11, -11.0023, -2])

    assert near.is_small
    assert near.text.endswith("the order stays")


@pytest.mark.parametrize("step", [1, -1])
def test_pairs_may_stand_in_the_sample_in_any_order(step: int) -> None:
    expected, changed = [5, -9.5, -2, -9], [5, -9, -2, -9.5]

    assert judged(expected[::step], expected[::step]).is_small
    assert not judged(expected[::step], changed[::step]).is_small


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_what_is_no_number_is_a_loss(wrong: float) -> None:
    with np.errstate(invalid="ignore"):
        assert not judged([-3, 0, 1], [-3, wrong, 1]).is_small
