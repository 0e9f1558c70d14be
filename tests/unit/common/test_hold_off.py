from __future__ import annotations

import pytest

from services.common.caller import ANYONE, Caller, Priority
from services.common.errors import Overloaded
from services.common.rpc.hold_off import Asked, HoldOff
from services.common.testing.clock import FakeClock


def asked(*, size: int = 1000, time_s: float = 1.0, caller: Caller = ANYONE, queue: str = "Embed mini") -> Asked:
    return Asked(queue=queue, caller=caller, size=lambda: size, time_s=time_s)


def refuse(
    hold_off: HoldOff, what: Asked, *, retry_after_s: float = 5.0, took_s: float = 0.002, work_s: float | None = 0.1
) -> Overloaded:
    refusal = Overloaded("full", retry_after_s=retry_after_s, work_s=work_s)
    return hold_off.observe(what, refusal, retry_after_s=retry_after_s, took_s=took_s)


@pytest.mark.parametrize(
    "other",
    [asked(), asked(size=5000), asked(size=501), asked(time_s=0.2), asked(time_s=1.01)],
    ids=["the same", "larger", "a little smaller", "with less time", "with hardly more time"],
)
def test_the_like_of_what_was_refused_is_refused_for_a_moment(other: Asked) -> None:
    clock = FakeClock()
    hold_off = HoldOff(clock)
    refuse(hold_off, asked())

    clock.advance(0.009)
    during = hold_off.refusal(other)
    clock.advance(0.002)

    assert during is not None
    assert hold_off.refusal(other) is None


@pytest.mark.parametrize(
    "other",
    [
        asked(size=499),
        asked(time_s=2.0),
        asked(caller=Caller(client="another")),
        asked(caller=Caller(priority=Priority.BULK)),
        asked(queue="Embed base"),
    ],
    ids=["smaller", "with more time", "of another client", "of another priority", "for another queue"],
)
def test_what_might_fare_better_is_tried(other: Asked) -> None:
    hold_off = HoldOff(FakeClock())
    refuse(hold_off, asked())

    assert hold_off.refusal(other) is None


@pytest.mark.parametrize(
    ("time_s", "retry_after_s", "took_s", "held_s"),
    [
        (1.0, 5.0, 0.002, 0.010),
        (1.0, 5.0, 0.030, 0.030),
        (1.0, 5.0, 0.500, 0.050),
        (0.1, 5.0, 0.002, 0.005),
        (1.0, 0.004, 0.002, 0.004),
        (1.0, 0.0, 0.002, 0.0),
    ],
    ids=["least", "as it took", "most", "little time", "room sooner", "room now"],
)
def test_how_long_a_refusal_is_believed(time_s: float, retry_after_s: float, took_s: float, held_s: float) -> None:
    clock = FakeClock()
    hold_off = HoldOff(clock)
    what = asked(time_s=time_s)
    refuse(hold_off, what, retry_after_s=retry_after_s, took_s=took_s)

    clock.advance(max(0.0, held_s - 0.0005))
    before = hold_off.is_active, hold_off.refusal(what) is not None
    clock.advance(0.001)
    after = hold_off.is_active, hold_off.refusal(what) is not None

    assert (before, after) == ((held_s > 0,) * 2, (False, False))


def test_all_that_are_refused_get_times_of_their_own() -> None:
    clock = FakeClock()
    hold_off = HoldOff(clock)
    first = refuse(hold_off, asked(), retry_after_s=5.0)
    held = [hold_off.refusal(asked()) for _ in range(3)]
    clock.advance(1.0)
    next_one = refuse(hold_off, asked(), retry_after_s=4.1)

    delays_s = [error.retry_after_s for error in (first, *held, next_one) if error is not None]
    assert delays_s == pytest.approx([5.0, 5.1, 5.2, 5.3, 4.4])
    assert first.message == "full"
    assert "try again in 4.4 s" in next_one.message


def test_larger_work_takes_a_longer_time_of_its_own() -> None:
    hold_off = HoldOff(FakeClock())
    refuse(hold_off, asked(size=1000), retry_after_s=5.0)
    held = [hold_off.refusal(asked(size=size)) for size in (4000, 1000, 1000)]

    assert [error.retry_after_s for error in held if error is not None] == pytest.approx([5.1, 5.5, 5.6])


def test_nobody_is_told_to_come_before_there_is_room() -> None:
    clock = FakeClock()
    hold_off = HoldOff(clock)
    refuse(hold_off, asked(time_s=600.0), retry_after_s=85.0, took_s=2.0, work_s=None)
    clock.advance(1.0)
    held = hold_off.refusal(asked(time_s=600.0))

    assert held is not None
    assert held.retry_after_s == pytest.approx(84.0)


def test_a_refusal_without_its_work_is_passed_on_as_it_is() -> None:
    hold_off = HoldOff(FakeClock())

    errors = [refuse(hold_off, asked(), retry_after_s=2.0, work_s=None) for _ in range(3)]

    assert [error.message for error in errors] == ["full"] * 3


def test_what_is_remembered_is_bounded() -> None:
    hold_off = HoldOff(FakeClock())
    callers = [Caller(client=f"client-{number}") for number in range(1025)]

    for caller in callers:
        refuse(hold_off, asked(caller=caller))

    assert hold_off.refusal(asked(caller=callers[0])) is None
    assert hold_off.refusal(asked(caller=callers[-1])) is not None
