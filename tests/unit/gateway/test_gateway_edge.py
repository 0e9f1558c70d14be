"""Host check, limits and the body's bounds."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Callable, Sequence
from ipaddress import ip_network
from typing import Any

import pytest
from litestar.exceptions import HTTPException

from gateway.errors.problems import ForbiddenHost, ForbiddenPeer
from gateway.middleware.body import Body
from gateway.middleware.callers import caller_of
from gateway.middleware.hosts import HostCheck
from gateway.middleware.limits import Gate, Gates
from gateway.middleware.peers import PeerCheck
from gateway.settings import GatewaySettings, Limits
from services.common.caller import ANYONE, Caller, Priority
from services.common.errors import Cancelled, InvalidRequest, Overloaded, TooLarge

LOCAL = HostCheck(("127.0.0.1", "localhost", "[::1]"))
PEERS = PeerCheck((ip_network("10.0.0.0/8"), ip_network("fd00::/8")))


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8080", "localhost.", "127.0.0.1:1", "[::1]", "[::1]:65535"])
def test_own_names_are_served_on_any_port(host: str) -> None:
    LOCAL.check([host])
    LOCAL.check([host])


@pytest.mark.parametrize(
    "host",
    ["evil.example", "localhost.evil.example", "127.0.0.1.evil", "localhost:80:80", "localhost:x", "a@localhost", "",
     "::1", "[::1", "localhost/", "localhost\t", "127.0.0.2", "0.0.0.0", "[::ffff:127.0.0.1]", "\uff4cocalhost"],
)  # fmt: skip
def test_other_names_are_refused(host: str) -> None:
    with pytest.raises(ForbiddenHost):
        LOCAL.check([host])


def test_no_host_is_fine_and_every_one_of_several_counts() -> None:
    LOCAL.check([])

    with pytest.raises(ForbiddenHost):
        LOCAL.check(["localhost", "evil.example"])


def test_star_allows_any_name() -> None:
    HostCheck(("*",)).check(["anything.example", "\x00"])


@pytest.mark.parametrize("peer", [("10.1.2.3", 1), ("::ffff:10.1.2.3", 1), ("fd00::1", 1), None])
def test_connections_from_allowed_networks_are_served(peer: tuple[str, int] | None) -> None:
    PEERS.check(peer)
    PEERS.check(peer)


@pytest.mark.parametrize("peer", ["11.1.2.3", "127.0.0.1", "::ffff:11.1.2.3", "fe80::1", "::1"])
def test_connections_from_elsewhere_are_refused(peer: str) -> None:
    with pytest.raises(ForbiddenPeer):
        PEERS.check((peer, 1))


def test_without_allowed_networks_every_connection_is_served() -> None:
    PeerCheck(()).check(("203.0.113.1", 1))


PEER = ("10.1.2.3", 5555)


@pytest.mark.parametrize(
    ("headers", "peer", "client"),
    [
        ({"x-isolane-client": "team-a", "authorization": "Bearer s3cret"}, PEER, "team-a"),
        ({"authorization": "Bearer s3cret"}, PEER, "key-0c9ae6066b41d371"),
        ({"authorization": "Bearer s\xfc"}, PEER, "key-f45c0344fa1f5d7f"),
        ({"x-isolane-client": "", "authorization": ""}, PEER, "ip-10.1.2.3"),
        ({}, ("fe80::1%eth0", 5555), "ip-fe80::1"),
        ({}, None, ""),
    ],
    ids=["named", "key", "odd key", "empty", "link-local", "nobody"],
)
def test_a_caller_is_known_by_its_own_word_else_by_its_key_else_by_its_address(
    headers: dict[str, str], peer: tuple[str, int] | None, client: str
) -> None:
    assert caller_of(headers, peer).client == client


@pytest.mark.parametrize(
    ("peer", "origin"),
    [
        (PEER, "net-10.1.2.3"),
        (("::ffff:10.1.2.3", 1), "net-10.1.2.3"),
        (("2001:db8:1:2:3:4:5:6", 1), "net-2001:db8:1:2::"),
        (("fe80::1%eth0", 1), "net-fe80::"),
        (None, ""),
    ],
)
def test_a_caller_may_call_itself_what_it_likes_and_still_comes_from_where_it_comes(
    peer: tuple[str, int] | None, origin: str
) -> None:
    origins = {caller_of({"x-isolane-client": name}, peer).origin for name in ("alice", "bob")}

    assert origins == {origin}


def test_equal_keys_are_one_client_and_others_are_not() -> None:
    ids = [caller_of({"authorization": key}, PEER).client for key in ("Bearer a", "Bearer a", "Bearer b")]

    assert ids[0] == ids[1] != ids[2]


def test_priority_is_interactive_unless_the_caller_says_bulk() -> None:
    assert caller_of({}, PEER).priority is Priority.INTERACTIVE
    assert caller_of({"x-isolane-priority": "interactive"}, PEER).priority is Priority.INTERACTIVE
    assert caller_of({"x-isolane-priority": "bulk"}, PEER).priority is Priority.BULK


@pytest.mark.parametrize(
    "headers", [{"x-isolane-client": "a b"}, {"x-isolane-client": "x" * 129}, {"x-isolane-priority": "Bulk"}], ids=str
)
def test_a_caller_that_cannot_be_read_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(InvalidRequest) as refused:
        caller_of(headers, PEER)

    assert refused.value.param == next(iter(headers))


@pytest.mark.parametrize(("header", "expected_s"), [(None, 30.0), ("1", 0.001), ("2500", 2.5), ("999999999", 300.0)])
def test_deadline_is_the_header_capped(header: str | None, expected_s: float) -> None:
    remaining_s = Gate(Limits()).deadline(header).remaining_s()

    assert expected_s - 0.5 < remaining_s <= expected_s


@pytest.mark.parametrize("header", ["", "0", "-1", "+1", "1.5", "1e3", " 1", "٣", "²", "9" * 10, "1_0", "0x1"])
def test_deadline_that_is_no_number_is_refused(header: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        Gate(Limits()).deadline(header)

    assert refused.value.param == "X-Request-Timeout-Ms"


def test_gate_admits_up_to_its_cap_and_again_after() -> None:
    gate = Gate(Limits(max_in_flight=1))
    with gate.admit(ANYONE):
        with pytest.raises(Overloaded) as refused, gate.admit(ANYONE):
            raise AssertionError("admitted")
        assert refused.value.retry_after_s == 1.0

    with gate.admit(ANYONE):
        pass


def test_gate_keeps_places_free_of_bulk() -> None:
    gate, addresses = Gate(Limits(max_in_flight=8)), map(str, itertools.count())

    with contextlib.ExitStack() as held:
        for _ in range(6):
            held.enter_context(gate.admit(Caller(priority=Priority.BULK, origin=next(addresses))))
        with (
            pytest.raises(Overloaded, match=r"6 requests .* limit for bulk"),
            gate.admit(Caller(priority=Priority.BULK, origin=next(addresses))),
        ):
            raise AssertionError("admitted")
        for _ in range(2):
            held.enter_context(gate.admit(Caller(origin=next(addresses))))
        with pytest.raises(Overloaded, match="8 requests"), gate.admit(Caller(origin=next(addresses))):
            raise AssertionError("admitted")


def test_gate_leaves_places_to_other_clients_and_to_other_origins() -> None:
    gate = Gate(Limits(max_in_flight=8))

    with contextlib.ExitStack() as held:
        for _ in range(6):
            held.enter_context(gate.admit(Caller(client="greedy", origin="a")))
        with (
            pytest.raises(Overloaded, match="6 requests of this client"),
            gate.admit(Caller(client="greedy", origin="a")),
        ):
            raise AssertionError("admitted")
        held.enter_context(gate.admit(Caller(client="made up", origin="a")))
        with (
            pytest.raises(Overloaded, match="7 requests of this origin"),
            gate.admit(Caller(client="again", origin="a")),
        ):
            raise AssertionError("admitted")
        held.enter_context(gate.admit(Caller(client="greedy", origin="b")))

    with gate.admit(Caller(client="greedy", origin="a")):
        pass


def test_eight_conversions_of_one_program_are_admitted_by_default_and_leave_places_to_others() -> None:
    gate = Gates(GatewaySettings()).of("/v1/convert/file")

    with contextlib.ExitStack() as held:
        for _ in range(8):
            held.enter_context(gate.admit(Caller(client="ingest", origin="a")))
        with (
            pytest.raises(Overloaded, match="8 requests of this client"),
            gate.admit(Caller(client="ingest", origin="a")),
        ):
            raise AssertionError("admitted")
        held.enter_context(gate.admit(Caller(client="another", origin="b")))


def test_the_smallest_gate_admits_bulk_too() -> None:
    with Gate(Limits(max_in_flight=1)).admit(Caller(priority=Priority.BULK)):
        pass


def test_gate_frees_the_place_of_a_request_that_fails() -> None:
    gate = Gate(Limits(max_in_flight=1))
    with pytest.raises(ZeroDivisionError), gate.admit(ANYONE):
        raise ZeroDivisionError

    with gate.admit(ANYONE):
        pass


def test_families_have_their_own_gates_and_other_paths_small_ones() -> None:
    gates = Gates(GatewaySettings())

    assert gates.of("/v1/convert/file").limits.max_body_bytes > gates.of("/v1/embeddings").limits.max_body_bytes
    assert gates.of("/v1/rerank") is gates.of("/v2/rerank")
    assert gates.of("/v1/rerank") is not gates.of("/v1/embeddings")
    assert gates.of("/health").limits.max_body_bytes == gates.of("//v1/convert/file").limits.max_body_bytes == 65536


class Client:
    """Sends messages one after the other, then nothing."""

    def __init__(self, *messages: dict[str, Any]) -> None:
        self._messages = list(messages)
        self.leaves = asyncio.Event()

    async def receive(self) -> Any:
        if self._messages:
            return self._messages.pop(0)
        await self.leaves.wait()
        return {"type": "http.disconnect"}


class Line:
    """A connection of which a test says what happens."""

    def __init__(self) -> None:
        self.on_lost: Callable[[], None] | None = None
        self.is_body_here = False

    def answer(self, _status: int, _headers: Sequence[tuple[bytes, bytes]], _body: bytes) -> bool:
        return False

    def is_lost(self) -> None:
        if self.on_lost is not None:
            self.on_lost()


async def at_once() -> None:
    """The turn of a large body."""


def parts(*bodies: bytes, complete: bool = True) -> Sequence[dict[str, Any]]:
    last = len(bodies) - 1
    return [
        {"type": "http.request", "body": body, "more_body": not complete or index < last}
        for index, body in enumerate(bodies)
    ]


async def test_body_within_its_limit_passes_whole() -> None:
    body = Body(Client(*parts(b"ab", b"cd")).receive, Line(), max_bytes=4, timeout_s=5, wait_turn=at_once)

    received = [await body.receive(), await body.receive()]
    body.stop_watching()

    assert [message["body"] for message in received if message["type"] == "http.request"] == [b"ab", b"cd"]


async def test_a_look_at_the_body_leaves_it_to_be_received_once() -> None:
    line = Line()
    line.is_body_here = True
    client = Client(*parts(b"abcd"))
    body = Body(client.receive, line, max_bytes=4, timeout_s=5, wait_turn=at_once)

    seen = await body.peek()
    received = await body.receive()
    client.leaves.set()
    end = await body.receive()
    body.stop_watching()

    assert seen == b"abcd"
    assert received == {"type": "http.request", "body": b"abcd", "more_body": False}
    assert end == {"type": "http.disconnect"}


async def test_there_is_no_look_at_a_body_that_still_arrives() -> None:
    body = Body(Client(*parts(b"ab", b"cd")).receive, Line(), max_bytes=4, timeout_s=5, wait_turn=at_once)

    assert await body.peek() is None
    assert await body.receive() == {"type": "http.request", "body": b"ab", "more_body": True}


async def test_body_over_its_limit_is_refused_at_the_part_that_passes_it() -> None:
    body = Body(Client(*parts(b"ab", b"cd", b"e")).receive, Line(), max_bytes=3, timeout_s=5, wait_turn=at_once)
    await body.receive()

    with pytest.raises(TooLarge):
        await body.receive()


@pytest.mark.parametrize("length", ["5", "9" * 18, "9" * 5000])
async def test_announced_length_over_the_limit_is_refused_before_reading(length: str) -> None:
    body = Body(Client().receive, Line(), max_bytes=4, timeout_s=5, wait_turn=at_once)
    body.check_announced("4")
    body.check_announced(None)

    with pytest.raises(TooLarge):
        body.check_announced(length)


async def test_body_that_stalls_is_given_up() -> None:
    body = Body(Client(*parts(b"ab", complete=False)).receive, Line(), max_bytes=4, timeout_s=0.05, wait_turn=at_once)
    await body.receive()

    with pytest.raises(HTTPException) as late:
        await body.receive()

    assert late.value.status_code == 408
    assert late.value.headers == {"connection": "close"}


async def test_client_that_leaves_before_the_end_of_its_body_is_noticed() -> None:
    client = Client(*parts(b"ab", complete=False))
    client.leaves.set()
    body = Body(client.receive, Line(), max_bytes=4, timeout_s=5, wait_turn=at_once)
    await body.receive()

    with pytest.raises(Cancelled):
        await body.receive()

    assert body.is_abandoned


async def test_body_that_is_here_is_read_however_late_it_is() -> None:
    line, client = Line(), Client(*parts(b"ab"))
    line.is_body_here = True

    async def receive() -> Any:
        await asyncio.sleep(0.01)
        return await client.receive()

    body = Body(receive, line, max_bytes=4, timeout_s=0, wait_turn=at_once)

    assert (await body.receive())["type"] == "http.request"


async def test_client_that_leaves_cancels_the_answering_task() -> None:
    line = Line()
    body = Body(Client(*parts(b"ab")).receive, line, max_bytes=4, timeout_s=5, wait_turn=at_once)

    async def answer() -> None:
        await body.receive()
        await asyncio.Event().wait()

    answering = asyncio.create_task(answer())
    await asyncio.sleep(0)
    line.is_lost()

    with pytest.raises(asyncio.CancelledError):
        await answering
    assert body.is_abandoned


async def test_client_that_leaves_during_the_answer_disturbs_nothing() -> None:
    line = Line()
    body = Body(Client(*parts(b"ab")).receive, line, max_bytes=4, timeout_s=5, wait_turn=at_once)
    await body.receive()
    body.stop_watching()

    line.is_lost()

    assert not body.is_abandoned


async def test_whoever_still_receives_after_the_body_waits_for_the_end() -> None:
    client = Client(*parts(b"ab"))
    body = Body(client.receive, Line(), max_bytes=4, timeout_s=5, wait_turn=at_once)
    await body.receive()

    receiving = asyncio.create_task(body.receive())
    await asyncio.sleep(0)
    is_waiting = not receiving.done()
    client.leaves.set()

    assert is_waiting
    assert (await receiving)["type"] == "http.disconnect"
