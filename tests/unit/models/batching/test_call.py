from __future__ import annotations

import asyncio

from services.common.caller import ANYONE
from services.common.errors import BackendFailed
from services.models.batching.call import Call, hand_out
from services.models.testing import work
from services.scheduler.work import Task


def call_of(number: int) -> Call:
    return Call(
        id="",
        done=asyncio.get_running_loop().create_future(),
        outcomes=[None] * number,
        caller=ANYONE,
        deadline_s=1.0,
        submitted_s=0.0,
    )


async def test_everybody_who_waits_gets_an_outcome_at_each_of_its_positions() -> None:
    mine, other = call_of(3), call_of(1)

    hand_out(Task(work=work(1), waiters={mine: [0, 2], other: [0]}), 7)

    assert (mine.outcomes, other.outcomes) == ([7, None, 7], [7])


async def test_an_error_is_not_shared_by_those_who_wait_for_one_item() -> None:
    calls = [call_of(2) for _ in range(3)]
    failure = BackendFailed("the model failed")
    failure.__cause__ = ValueError("why")

    hand_out(Task(work=work(1), waiters={call: [0, 1] for call in calls}), failure)

    errors = [error for call in calls for error in call.outcomes]
    assert len({id(error) for error in (failure, *errors)}) == 7
    assert {(type(error), str(error), error.__cause__) for error in errors} == {
        (BackendFailed, "the model failed", failure.__cause__)
    }
