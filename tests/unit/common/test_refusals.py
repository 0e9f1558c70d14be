from __future__ import annotations

import itertools
from collections import Counter

import pytest

from services.common.caller import ANYONE, Caller, Priority
from services.common.errors import Overloaded
from services.common.refusals import Asked, RefusalPolicy, Refusals
from services.common.testing.clock import FakeClock

POLICY = RefusalPolicy()


def asked(*, size: int = 1000, time_s: float = 1.0, caller: Caller = ANYONE, queue: str = "Embed mini") -> Asked:
    return Asked(queue=queue, caller=caller, size=lambda: size, time_s=time_s)


class Flood:
    """A record and the clock that its owner reads."""

    def __init__(self) -> None:
        self.refusals = Refusals(POLICY)
        self.clock = FakeClock()

    def refuse(
        self,
        what: Asked,
        *,
        who: str = "one",
        retry_after_s: float = 5.0,
        took_s: float = 0.002,
        work_s: float | None = 0.1,
    ) -> Overloaded:
        """What becomes of an instance's refusal."""
        refusal = Overloaded("full", retry_after_s=retry_after_s, work_s=work_s)
        return self.refusals.observe(what, refusal, who=who, took_s=took_s, now_s=self.clock())

    def who(self, what: Asked) -> set[str]:
        """Who is believed to refuse it."""
        return set(self.refusals.believed(what, now_s=self.clock()))

    def avoided(self, what: Asked) -> set[str]:
        """Who is asked last."""
        return set(self.refusals.avoided(what, now_s=self.clock()))

    def early(self, what: Asked) -> float:
        """The retry time of what is refused without asking."""
        now_s = self.clock()
        refusal = self.refusals.refuse(what, self.refusals.believed(what, now_s=now_s), now_s=now_s)
        assert refusal.retry_after_s is not None
        return refusal.retry_after_s

    def retry_after_s(self, *, earliest_s: float, work_s: float, key: str = "a") -> float:
        return self.refusals.retry_after_s(key, earliest_s=earliest_s, work_s=work_s, now_s=self.clock())


@pytest.fixture
def flood() -> Flood:
    return Flood()


# What is believed.


@pytest.mark.parametrize(
    "other",
    [asked(), asked(size=5000), asked(size=501), asked(time_s=0.2), asked(time_s=1.01)],
    ids=["the same", "larger", "a little smaller", "with less time", "with hardly more time"],
)
def test_the_like_of_what_was_refused_is_known_for_a_moment(flood: Flood, other: Asked) -> None:
    flood.refuse(asked())

    flood.clock.advance(0.009)
    during = flood.who(other)
    flood.clock.advance(0.002)

    assert (during, flood.who(other)) == ({"one"}, set())


@pytest.mark.parametrize(
    "other",
    [
        asked(size=499),
        asked(time_s=2.0),
        asked(caller=Caller(client="another")),
        asked(caller=Caller(origin="10.0.0.2")),
        asked(caller=Caller(priority=Priority.BULK)),
        asked(queue="Embed base"),
    ],
    ids=["smaller", "more time", "another client", "another origin", "another priority", "another queue"],
)
def test_what_might_fare_better_is_tried(flood: Flood, other: Asked) -> None:
    flood.refuse(asked())

    assert flood.who(other) == set()


@pytest.mark.parametrize(
    ("time_s", "retry_after_s", "took_s", "believed_s"),
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
def test_how_long_a_refusal_is_believed(
    flood: Flood, time_s: float, retry_after_s: float, took_s: float, believed_s: float
) -> None:
    what = asked(time_s=time_s)
    flood.refuse(what, retry_after_s=retry_after_s, took_s=took_s)

    flood.clock.advance(max(0.0, believed_s - 0.0005))
    before = flood.refusals.is_any_believed(flood.clock()), bool(flood.who(what))
    flood.clock.advance(0.001)
    after = flood.refusals.is_any_believed(flood.clock()), bool(flood.who(what))

    assert (before, after) == ((believed_s > 0,) * 2, (False, False))


@pytest.mark.parametrize(("retry_after_s", "avoided_s"), [(3.0, 3.0), (60.0, 5.0), (0.004, 0.004), (0.0, 0.0)])
def test_how_long_the_others_are_asked_first(flood: Flood, retry_after_s: float, avoided_s: float) -> None:
    flood.refuse(asked(), retry_after_s=retry_after_s)

    flood.clock.advance(max(0.0, avoided_s - 0.0005))
    before = flood.refusals.is_any_avoided(flood.clock()), bool(flood.avoided(asked()))
    another = flood.avoided(asked(caller=Caller(client="another")))
    flood.clock.advance(0.001)
    after = flood.refusals.is_any_avoided(flood.clock()), bool(flood.avoided(asked()))

    assert (before, after) == ((avoided_s > 0,) * 2, (False, False))
    assert another == set()


def test_who_is_believed_is_avoided_too_however_long_that_is(flood: Flood) -> None:
    flood.refuse(asked(time_s=600.0), retry_after_s=60.0, took_s=20.0)
    flood.clock.advance(19.0)

    assert flood.who(asked()) == flood.avoided(asked()) == {"one"}


def test_each_instance_is_believed_for_itself(flood: Flood) -> None:
    flood.refuse(asked(), who="one")
    flood.clock.advance(0.006)
    flood.refuse(asked(), who="other")
    together = flood.who(asked())
    flood.clock.advance(0.006)

    assert (together, flood.who(asked())) == ({"one", "other"}, {"other"})


def test_the_newest_refusal_of_an_instance_counts(flood: Flood) -> None:
    flood.refuse(asked(size=1000))
    flood.refuse(asked(size=4000))

    assert (flood.who(asked(size=1999)), flood.who(asked(size=2000))) == (set(), {"one"})


def test_a_message_is_measured_only_where_its_size_decides(flood: Flood) -> None:
    def measure() -> int:
        raise AssertionError("measured")

    flood.refuse(asked())

    assert flood.avoided(Asked(queue="Embed mini", caller=ANYONE, size=measure, time_s=9.0)) == set()
    assert flood.avoided(Asked(queue="Embed base", caller=ANYONE, size=measure, time_s=1.0)) == set()


# When to come back.


def test_all_that_are_refused_get_times_of_their_own(flood: Flood) -> None:
    first = flood.refuse(asked(), retry_after_s=5.0)
    early_s = [flood.early(asked()) for _ in range(3)]
    flood.clock.advance(1.0)
    next_one = flood.refuse(asked(), retry_after_s=4.1)

    assert [first.retry_after_s, *early_s, next_one.retry_after_s] == pytest.approx([5.0, 5.1, 5.2, 5.3, 4.4])
    assert first.message == "full"
    assert "try again in 4.4 s" in next_one.message


def test_larger_work_takes_a_longer_time_of_its_own(flood: Flood) -> None:
    flood.refuse(asked(size=1000), retry_after_s=5.0)

    assert [flood.early(asked(size=size)) for size in (4000, 1000, 1000)] == pytest.approx([5.1, 5.5, 5.6])


def test_of_several_instances_each_gives_times_and_the_earliest_counts(flood: Flood) -> None:
    given_s = [
        flood.refuse(asked(), who=who, retry_after_s=delay_s).retry_after_s for who, delay_s in (("a", 3.0), ("b", 3.2))
    ]

    early_s = [flood.early(asked()) for _ in range(4)]

    assert given_s == [3.0, 3.2]
    assert early_s == pytest.approx([3.1, 3.2, 3.3, 3.3])


def test_nobody_is_told_to_come_before_there_is_room(flood: Flood) -> None:
    flood.refuse(asked(time_s=600.0), retry_after_s=85.0, took_s=2.0, work_s=None)
    flood.clock.advance(1.0)

    assert flood.early(asked(time_s=600.0)) == pytest.approx(84.0)


def test_a_refusal_without_its_work_is_passed_on_as_it_is(flood: Flood) -> None:
    errors = [flood.refuse(asked(), retry_after_s=2.0, work_s=None) for _ in range(3)]

    assert [error.message for error in errors] == ["full"] * 3


def test_a_refusal_that_does_not_say_when_to_come_back_means_a_second(flood: Flood) -> None:
    flood.refusals.observe(asked(), Overloaded("full"), who="one", took_s=0.002, now_s=flood.clock())

    assert flood.early(asked()) == pytest.approx(1.0)


def test_retry_times_follow_one_another_by_the_work_that_each_takes(flood: Flood) -> None:
    times_s = [flood.retry_after_s(earliest_s=5.0, work_s=work_s) for work_s in (0.1, 2.0, 0.1)]
    flood.clock.advance(6.0)
    times_s.append(flood.retry_after_s(earliest_s=0.0, work_s=0.1))

    assert times_s == pytest.approx([5.0, 5.1, 7.1, 1.2])


def test_retry_times_of_one_key_say_nothing_of_another(flood: Flood) -> None:
    flood.retry_after_s(key="a", earliest_s=5.0, work_s=9.0)

    assert flood.retry_after_s(key="b", earliest_s=5.0, work_s=9.0) == pytest.approx(5.0)


def test_nobody_is_sent_away_for_longer_than_half_a_minute_and_those_beyond_do_not_meet(flood: Flood) -> None:
    times_s = [flood.retry_after_s(earliest_s=5.0, work_s=1.0) for _ in range(200)]

    assert times_s[:25] == pytest.approx([float(second) for second in range(5, 30)])
    assert all(15.0 <= beyond_s <= 30.0 for beyond_s in times_s[25:])
    assert max(times_s[25:]) - min(times_s[25:]) > 5.0


def test_a_flood_that_lasts_does_not_meet_again_half_a_minute_later(flood: Flood) -> None:
    back_at_s = []
    for _ in range(5000):  # in 10 s ten times what can be done
        back_at_s.append(flood.clock() + flood.retry_after_s(earliest_s=1.0, work_s=0.02))
        flood.clock.advance(0.002)

    a_second = Counter(int(at_s) for at_s in back_at_s)
    assert max(a_second.values()) < 350, "500 a second is how they came"


def test_work_that_takes_very_long_makes_nobody_wait_for_ever(flood: Flood) -> None:
    first_s = flood.retry_after_s(earliest_s=1.0, work_s=86_400.0)
    flood.clock.advance(30.0)

    assert (first_s, flood.retry_after_s(earliest_s=1.0, work_s=1.0)) == pytest.approx((1.0, 1.0))


# Bounds.


def test_the_kinds_of_requests_that_are_remembered_are_bounded(flood: Flood) -> None:
    callers = [Caller(client=f"client-{number}") for number in range(POLICY.most_keys + 1)]

    for caller in callers:
        flood.refuse(asked(caller=caller))

    assert flood.who(asked(caller=callers[0])) == set()
    assert flood.who(asked(caller=callers[1])) == flood.who(asked(caller=callers[-1])) == {"one"}


def test_the_instances_that_are_remembered_are_bounded(flood: Flood) -> None:
    names = [f"instance-{number}" for number in range(POLICY.most_instances + 1)]

    for name in names:
        flood.refuse(asked(), who=name)

    assert flood.who(asked()) == set(names[1:])


def test_the_retry_times_that_are_remembered_are_bounded(flood: Flood) -> None:
    for number in range(POLICY.most_keys + 1):
        flood.retry_after_s(key=f"client-{number}", earliest_s=5.0, work_s=1.0)

    oldest_s, newest_s = (
        flood.retry_after_s(key=f"client-{number}", earliest_s=5.0, work_s=1.0) for number in (0, POLICY.most_keys)
    )
    assert (oldest_s, newest_s) == pytest.approx((5.0, 6.0))


def test_a_client_that_is_refused_often_is_not_forgotten_for_names_that_come_once(flood: Flood) -> None:
    names = (Caller(client=f"name-{number}") for number in itertools.count())
    regular = asked(caller=Caller(client="regular"))
    for _ in range(2):
        flood.refuse(regular)
        for _ in range(POLICY.most_keys - 1):
            flood.refuse(asked(caller=next(names)))

    assert flood.who(regular) == {"one"}
