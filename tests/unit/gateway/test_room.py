"""Who gives way when files run short."""

from __future__ import annotations

import resource

import pytest

from gateway import room
from gateway.room import Room


class Line:
    """A connection; on a real one `leave` follows a turn of the loop after `give_way`."""

    def __init__(self, *, is_idle: bool = True) -> None:
        self.is_idle = is_idle
        self.has_given_way = False

    def give_way(self) -> None:
        assert not self.has_given_way
        self.has_given_way = True


@pytest.fixture
def space(monkeypatch: pytest.MonkeyPatch) -> Room:
    """Room for four."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (room._SPARE_FILES + 4, 0))
    return Room()


def test_the_oldest_idle_connection_of_who_has_most_gives_way(space: Room) -> None:
    busy, *idle = [Line(is_idle=False), Line(), Line()]
    for line in (busy, *idle):
        space.enter(line, "greedy")
    alice, bob = Line(), Line()
    space.enter(alice, "alice")
    space.enter(bob, "bob")

    assert [line.has_given_way for line in (busy, *idle, alice, bob)] == [False, True, False, False, False]


def test_none_gives_way_twice_for_those_who_come_together(space: Room) -> None:
    lines = [Line() for _ in range(12)]
    for line in lines:
        space.enter(line, "greedy")

    assert sum(line.has_given_way for line in lines) == 8
    assert not lines[-1].has_given_way


def test_where_all_are_busy_the_newest_of_who_has_most_gives_way(space: Room) -> None:
    busy = [Line(is_idle=False) for _ in range(4)]
    for line in busy:
        space.enter(line, "greedy")
    alice = Line()
    space.enter(alice, "alice")

    assert [line.has_given_way for line in (*busy, alice)] == [False, False, False, True, False]


def test_who_leaves_makes_room(space: Room) -> None:
    lines = [Line() for _ in range(5)]
    for line in lines[:4]:
        space.enter(line, "a")
    space.leave(lines[0], "a")
    space.enter(lines[4], "b")

    assert not any(line.has_given_way for line in lines)
