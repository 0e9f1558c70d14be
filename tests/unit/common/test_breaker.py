"""The breaker: one contract for all implementations, then the real one against a model of what it should do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from services.common.rpc.breaker import Breaker, ConsecutiveBreaker, Outcome, Permit
from services.common.testing.breakers import AlwaysClosed
from services.common.testing.clock import FakeClock


def admitted(breaker: Breaker) -> Permit:
    permit = breaker.acquire()
    assert permit is not None
    return permit


def settle(breaker: Breaker, *outcomes: Outcome) -> None:
    """One call after the other."""
    for outcome in outcomes:
        admitted(breaker).settle(outcome)


def opened(clock: FakeClock) -> ConsecutiveBreaker:
    breaker = ConsecutiveBreaker(clock=clock)
    settle(breaker, *[Outcome.FAILURE] * 5)
    return breaker


@pytest.fixture(params=[ConsecutiveBreaker, AlwaysClosed], ids=lambda cls: cls.__name__)
def breaker(request: pytest.FixtureRequest) -> Breaker:
    make: Callable[[], Breaker] = request.param
    return make()


class TestEveryBreaker:
    def test_a_new_one_admits_calls(self, breaker: Breaker) -> None:
        assert breaker.acquire() is not None
        assert not breaker.is_open
        assert breaker.retry_after_s() == 0.0

    def test_a_single_failure_does_not_open_it(self, breaker: Breaker) -> None:
        settle(breaker, Outcome.FAILURE)

        assert breaker.acquire() is not None

    def test_outcomes_that_say_nothing_do_not_open_it(self, breaker: Breaker) -> None:
        settle(breaker, *[Outcome.IGNORED] * 50)

        assert not breaker.is_open

    def test_a_hint_does_not_disturb_a_closed_one(self, breaker: Breaker) -> None:
        breaker.hint_recovered()

        assert breaker.acquire() is not None

    def test_a_permit_is_settled_once(self, breaker: Breaker) -> None:
        permit = admitted(breaker)
        permit.settle(Outcome.SUCCESS)

        with pytest.raises(RuntimeError, match="settled twice"):
            permit.settle(Outcome.SUCCESS)


def test_it_opens_at_exactly_the_fifth_consecutive_failure() -> None:
    breaker = ConsecutiveBreaker(clock=FakeClock())

    settle(breaker, *[Outcome.FAILURE] * 4)
    was_open = breaker.is_open
    settle(breaker, Outcome.FAILURE)

    assert (was_open, breaker.is_open) == (False, True)
    assert breaker.acquire() is None
    assert breaker.retry_after_s() == 60.0


def test_a_success_starts_the_count_anew() -> None:
    breaker = ConsecutiveBreaker(clock=FakeClock())

    settle(breaker, *[Outcome.FAILURE] * 4, Outcome.SUCCESS, *[Outcome.FAILURE] * 4)

    assert not breaker.is_open


def test_an_ignored_outcome_neither_counts_nor_resets() -> None:
    breaker = ConsecutiveBreaker(clock=FakeClock())

    settle(breaker, *[Outcome.FAILURE] * 4, *[Outcome.IGNORED] * 20)
    was_open = breaker.is_open
    settle(breaker, Outcome.FAILURE)

    assert (was_open, breaker.is_open) == (False, True)


def test_after_a_minute_exactly_one_of_many_callers_probes() -> None:
    clock = FakeClock()
    breaker = opened(clock)

    clock.advance(59.9)
    assert breaker.acquire() is None
    clock.advance(0.1)
    permits = [breaker.acquire() for _ in range(100)]

    assert sum(permit is not None for permit in permits) == 1


def test_a_probe_that_succeeds_closes_it() -> None:
    clock = FakeClock()
    breaker = opened(clock)
    clock.advance(60.0)

    settle(breaker, Outcome.SUCCESS)

    assert not breaker.is_open
    assert all(breaker.acquire() for _ in range(10))


def test_a_probe_that_fails_opens_it_for_another_minute() -> None:
    clock = FakeClock()
    breaker = opened(clock)
    clock.advance(60.0)

    settle(breaker, Outcome.FAILURE)

    assert breaker.acquire() is None
    assert breaker.retry_after_s() == 60.0


def test_a_probe_that_says_nothing_makes_room_for_the_next_at_once() -> None:
    clock = FakeClock()
    breaker = opened(clock)
    clock.advance(60.0)

    settle(breaker, Outcome.IGNORED)

    assert breaker.is_open
    assert breaker.acquire() is not None
    assert breaker.acquire() is None


def test_results_of_calls_that_began_before_it_opened_say_nothing() -> None:
    clock = FakeClock()
    breaker = ConsecutiveBreaker(clock=clock)
    late_success, late_failure = admitted(breaker), admitted(breaker)
    settle(breaker, *[Outcome.FAILURE] * 5)
    clock.advance(30.0)

    late_success.settle(Outcome.SUCCESS)
    late_failure.settle(Outcome.FAILURE)

    assert breaker.is_open
    assert breaker.retry_after_s() == 30.0


def test_a_late_result_does_not_end_the_probe_of_another() -> None:
    clock = FakeClock()
    breaker = ConsecutiveBreaker(clock=clock)
    late = admitted(breaker)
    settle(breaker, *[Outcome.FAILURE] * 5)
    clock.advance(60.0)
    probe = admitted(breaker)

    late.settle(Outcome.SUCCESS)
    was_open, another = breaker.is_open, breaker.acquire()
    probe.settle(Outcome.SUCCESS)

    assert was_open
    assert another is None
    assert not breaker.is_open


def test_a_late_failure_does_not_count_after_it_closed_again() -> None:
    clock = FakeClock()
    breaker = ConsecutiveBreaker(clock=clock)
    late = [admitted(breaker) for _ in range(10)]
    settle(breaker, *[Outcome.FAILURE] * 5)
    clock.advance(60.0)
    settle(breaker, Outcome.SUCCESS)

    for permit in late:
        permit.settle(Outcome.FAILURE)

    assert not breaker.is_open


def test_a_hint_admits_the_probe_at_once_and_only_one() -> None:
    breaker = opened(FakeClock())

    breaker.hint_recovered()

    assert breaker.retry_after_s() == 0.0
    assert breaker.acquire() is not None
    assert breaker.acquire() is None


def test_a_hint_during_a_probe_does_not_admit_a_second() -> None:
    breaker = opened(FakeClock())
    breaker.hint_recovered()
    admitted(breaker)

    breaker.hint_recovered()

    assert breaker.acquire() is None


@dataclass
class Call:
    """A call in progress, and the state of the model in which it began."""

    permit: Permit
    epoch: int


def times_open(breaker: ConsecutiveBreaker, clock: FakeClock, probes: int) -> list[float]:
    """Open it, then let as many probes fail; how long it was open each time."""
    settle(breaker, *[Outcome.FAILURE] * 5)
    times = [breaker.retry_after_s()]
    for _ in range(probes):
        clock.advance(times[-1])
        settle(breaker, Outcome.FAILURE)
        times.append(breaker.retry_after_s())
    return times


def test_each_probe_that_fails_doubles_the_time_up_to_the_longest() -> None:
    clock = FakeClock()
    breaker = ConsecutiveBreaker(open_s=1.0, longest_s=60.0, clock=clock)

    assert times_open(breaker, clock, 8) == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]


def test_after_it_closed_the_time_is_the_first_again() -> None:
    clock = FakeClock()
    breaker = ConsecutiveBreaker(open_s=1.0, longest_s=60.0, clock=clock)
    clock.advance(times_open(breaker, clock, 4)[-1])
    settle(breaker, Outcome.SUCCESS)

    assert times_open(breaker, clock, 1) == [1.0, 2.0]


def test_a_probe_after_a_hint_that_fails_doubles_the_time_too() -> None:
    breaker = ConsecutiveBreaker(open_s=1.0, longest_s=60.0, clock=FakeClock())
    settle(breaker, *[Outcome.FAILURE] * 5)
    breaker.hint_recovered()

    settle(breaker, Outcome.FAILURE)

    assert breaker.retry_after_s() == 2.0


def test_jitter_shortens_the_time_by_its_share_at_most() -> None:
    firsts = []
    for _ in range(50):
        clock = FakeClock()
        breaker = ConsecutiveBreaker(open_s=1.0, longest_s=60.0, jitter=0.25, clock=clock)
        firsts += times_open(breaker, clock, 0)

    assert 0.75 <= min(firsts) < 0.85
    assert 0.9 < max(firsts) <= 1.0


def test_calls_that_were_held_together_and_fail_together_may_count_once() -> None:
    breaker = ConsecutiveBreaker(counts_held_once=True, clock=FakeClock())
    held = [admitted(breaker) for _ in range(60)]

    for permit in held:
        permit.settle(Outcome.FAILURE)
    was_open = breaker.is_open
    settle(breaker, *[Outcome.FAILURE] * 3)
    before_the_fifth = breaker.is_open
    settle(breaker, Outcome.FAILURE)

    assert (was_open, before_the_fifth, breaker.is_open) == (False, False, True)


class BreakerMachine(RuleBasedStateMachine):
    """Any order of calls, ends, waits and hints, beside the plainest model that could be right."""

    THRESHOLD, OPEN_S, LONGEST_S = 5, 60.0, 60.0

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.breaker = ConsecutiveBreaker(
            threshold=self.THRESHOLD, open_s=self.OPEN_S, longest_s=self.LONGEST_S, clock=self.clock
        )
        self.open_s = self.OPEN_S
        self.calls: list[Call] = []
        self.failures = 0
        self.opened_until_s: float | None = None
        self.probe: Call | None = None
        self.epoch = 0

    @rule()
    def call(self) -> None:
        is_due = self.opened_until_s is not None and self.clock() >= self.opened_until_s and self.probe is None
        expected = self.opened_until_s is None or is_due
        permit = self.breaker.acquire()
        assert (permit is not None) == expected
        if permit is not None:
            begun = Call(permit, self.epoch)
            self.calls.append(begun)
            if self.opened_until_s is not None:
                self.probe = begun

    @precondition(lambda self: self.calls)
    @rule(data=st.data(), outcome=st.sampled_from([Outcome.FAILURE, Outcome.FAILURE, *Outcome]))
    def end(self, data: st.DataObject, outcome: Outcome) -> None:
        ended = self.calls.pop(data.draw(st.integers(0, len(self.calls) - 1)))
        ended.permit.settle(outcome)
        if ended is self.probe:
            self.end_probe(outcome)
        elif ended.epoch == self.epoch and self.opened_until_s is None:
            self.count(outcome)

    def end_probe(self, outcome: Outcome) -> None:
        self.probe = None
        if outcome is Outcome.SUCCESS:
            self.opened_until_s, self.failures = None, 0
            self.epoch += 1
        elif outcome is Outcome.FAILURE:
            self.open(min(self.LONGEST_S, 2 * self.open_s))

    def count(self, outcome: Outcome) -> None:
        if outcome is Outcome.SUCCESS:
            self.failures = 0
        elif outcome is Outcome.FAILURE:
            self.failures += 1
            if self.failures == self.THRESHOLD:
                self.open(self.OPEN_S)

    def open(self, open_s: float) -> None:
        self.open_s = open_s
        self.opened_until_s = self.clock() + open_s
        self.epoch += 1

    @rule(seconds=st.sampled_from([1.0, 30.0, 60.0]))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule()
    def hint(self) -> None:
        self.breaker.hint_recovered()
        if self.opened_until_s is not None:
            self.opened_until_s = min(self.opened_until_s, self.clock())

    @invariant()
    def it_is_open_when_the_model_is(self) -> None:
        assert self.breaker.is_open == (self.opened_until_s is not None)

    @invariant()
    def it_names_the_time_of_the_probe(self) -> None:
        expected = 0.0 if self.opened_until_s is None else max(0.0, self.opened_until_s - self.clock())
        assert self.breaker.retry_after_s() == expected


class DoublingMachine(BreakerMachine):
    """The same with a time that grows."""

    OPEN_S, LONGEST_S = 1.0, 60.0


TestBreakerAgainstItsModel = BreakerMachine.TestCase
TestBreakerAgainstItsModel.settings = hypothesis_settings(max_examples=300, stateful_step_count=60, deadline=None)
TestDoublingBreakerAgainstItsModel = DoublingMachine.TestCase
TestDoublingBreakerAgainstItsModel.settings = TestBreakerAgainstItsModel.settings
