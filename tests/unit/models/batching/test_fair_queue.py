from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.caller import Caller, Priority
from services.common.deadline import Deadline
from services.models.batching.entry import Entry, Request
from services.models.batching.fair_queue import FairQueue
from services.models.batching.length_index import BatchLimits
from services.models.testing import work

ONE_AT_A_TIME = BatchLimits(own=1, shared=1, padding_share=0.04, padding=0)


@pytest.fixture(autouse=True)
def _loop() -> Iterator[None]:
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    asyncio.set_event_loop(None)
    loop.close()


def entry(client: str, length: int = 10, *, priority: Priority = Priority.INTERACTIVE) -> Entry:
    caller = Caller(client=client, priority=priority)
    request = Request(
        id="",
        deadline=Deadline.after(10),
        caller=caller,
        done=asyncio.get_event_loop_policy().get_event_loop().create_future(),
        results=[None],
        missing=1,
        submitted_s=0.0,
    )
    return Entry(work=work(1, length), waiters=[(request, 0)], caller=caller, cost=length)


def clients(batches: list[list[Entry]]) -> list[str]:
    return [each.caller.client for batch in batches for each in batch]


def taken(queue: FairQueue, number: int, limits: BatchLimits = ONE_AT_A_TIME) -> list[list[Entry]]:
    return [queue.take(limits) for _ in range(number)]


def test_an_empty_queue_gives_nothing() -> None:
    assert FairQueue(quantum=10).take(ONE_AT_A_TIME) == []


def test_clients_with_much_to_do_share_alike() -> None:
    queue = FairQueue(quantum=30)
    queue.add([entry("a") for _ in range(1000)])
    queue.add([entry("b", 30) for _ in range(100)])
    queue.add([entry("c", 20) for _ in range(100)])

    served: Counter[str] = Counter()
    for batch in taken(queue, 200):
        served[batch[0].caller.client] += batch[0].cost

    assert max(served.values()) - min(served.values()) <= 60


def test_a_client_that_was_idle_goes_before_one_that_has_much_to_do() -> None:
    queue = FairQueue(quantum=50)
    queue.add([entry("flood") for _ in range(100)])
    taken(queue, 7)

    queue.add([entry("light"), entry("light")])

    assert clients(taken(queue, 3)) == ["light", "light", "flood"]


def test_coming_and_going_gains_nothing() -> None:
    queue = FairQueue(quantum=100)
    queue.add([entry("steady") for _ in range(1000)])
    served: Counter[str] = Counter()

    for _ in range(400):
        if not queue.cost_of_client("sly"):
            queue.add([entry("sly")])
        served.update(clients(taken(queue, 1)))

    assert served["sly"] <= 220


def test_what_others_take_of_a_batch_is_charged_to_them() -> None:
    limits = BatchLimits(own=100, shared=100, padding_share=0.04, padding=0)
    queue = FairQueue(quantum=50)
    queue.add([entry("a", 10) for _ in range(4)])
    queue.add([entry("b", 10) for _ in range(40)])
    first = queue.take(limits)
    queue.add([entry("c", 10) for _ in range(20)])

    second = clients([queue.take(BatchLimits(own=50, shared=1, padding_share=0.04, padding=0))])

    assert Counter(clients([first])) == {"a": 4, "b": 6}
    assert set(second) == {"c"}, "b has had more than its share of this round"


def test_interactive_work_goes_first_and_bulk_work_is_not_starved() -> None:
    queue = FairQueue(quantum=50)
    queue.add([entry("a", priority=Priority.BULK) for _ in range(1000)])
    queue.add([entry("b") for _ in range(1000)])

    batches = taken(queue, 500)

    kinds = Counter(batch[0].caller.priority for batch in batches)
    assert batches[0][0].caller.priority is Priority.INTERACTIVE
    assert 40 <= kinds[Priority.BULK] <= 60


def test_bulk_work_is_not_starved_by_interactive_work_that_leaves_the_queue_empty_each_time() -> None:
    limits = BatchLimits(own=100, shared=100, padding_share=0.04, padding=0)
    queue = FairQueue(quantum=1000)
    queue.add([entry("a", priority=Priority.BULK) for _ in range(1000)])
    served: Counter[Priority] = Counter()

    for _ in range(100):
        queue.add([entry("b") for _ in range(3)])
        for each in queue.take(limits):
            served[each.caller.priority] += each.cost

    assert served[Priority.BULK] >= served[Priority.INTERACTIVE] / 9 - 100


def test_new_clients_without_end_leave_the_others_their_part() -> None:
    queue = FairQueue(quantum=100)
    queue.add([entry("steady", 20) for _ in range(1000)])
    served: Counter[bool] = Counter()
    taken(queue, 10)

    for number in range(1000):
        queue.add([entry(f"new {number}", 50)])
        served.update({each.caller.client == "steady": each.cost for each in queue.take(ONE_AT_A_TIME)})

    assert served[True] >= served[False] / 9 - 100


def test_what_is_expected_counts_as_its_clients() -> None:
    queue = FairQueue(quantum=50)
    flood, light = Caller(client="flood"), Caller(client="light")
    queue.expect(flood, 1000)

    assert queue.cost_of_client(flood.client) == queue.cost == 1000
    assert queue.ahead(light, 10) == 20, "it is shared with the others as what is queued"

    queue.expect(flood, -1000)
    assert queue.cost == 0
    assert queue.ahead(light, 10) == 10


def test_bulk_work_alone_is_served_at_once() -> None:
    queue = FairQueue(quantum=50)
    queue.add([entry("a", priority=Priority.BULK)])

    assert len(queue.take(ONE_AT_A_TIME)) == 1


def test_the_oldest_of_a_client_is_in_the_next_batch_whatever_its_length() -> None:
    limits = BatchLimits(own=100, shared=100, padding_share=0.04, padding=0)
    queue = FairQueue(quantum=10_000)
    old = entry("a", 77)
    queue.add([entry("a", 10) for _ in range(10)])
    queue.add([old])
    queue.add([entry("a", 10) for _ in range(100)])

    assert any(old in queue.take(limits) for _ in range(3)), "ten of length 10 fill one batch, then it is the oldest"


def test_the_work_ahead_counts_others_only_as_far_as_they_share() -> None:
    queue = FairQueue(quantum=50)
    queue.add([entry("flood") for _ in range(100)])
    queue.add([entry("light")])

    assert queue.ahead(Caller(client="light"), 10) == 20 + 20
    assert queue.ahead(Caller(client="flood"), 10) == 1010 + 10
    assert queue.ahead(Caller(client="new"), 10) == 10 + 10 + 10


def test_clients_that_come_once_are_forgotten() -> None:
    queue = FairQueue(quantum=50)
    queue.add([entry("stays", 10_000)])

    for number in range(6000):
        once = entry(f"once-{number}")
        queue.add([once])
        queue.discard(once)

    assert len(queue._classes[Priority.INTERACTIVE].flows) < 5000


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(1, 40), st.sampled_from(Priority), st.booleans()), max_size=60
    ),
    st.integers(1, 200),
    st.integers(0, 30),
)
def test_everything_that_is_queued_comes_out_once_and_nothing_else(
    given_entries: list[tuple[str, int, Priority, bool]], own: int, padding: int
) -> None:
    queue = FairQueue(quantum=50)
    entries = [(entry(client, length, priority=priority), gone) for client, length, priority, gone in given_entries]
    queue.add([each for each, _ in entries])
    for each, gone in entries:
        if gone:
            queue.discard(each)
    limits = BatchLimits(own=own, shared=own // 2, padding_share=0.04, padding=padding)

    batches = list(iter(lambda: queue.take(limits), []))

    out = [each for batch in batches for each in batch]
    assert len(out) == len(set(out))
    assert set(out) == {each for each, gone in entries if not gone}
    assert (queue.cost, queue.count) == (0, 0)
    for batch in batches:
        padded = len(batch) * max(each.cost for each in batch)
        tokens = sum(each.cost for each in batch)
        assert len(batch) == 1 or padded <= own
        assert padded - tokens <= max(padding, 0.04 * tokens)
