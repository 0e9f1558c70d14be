"""Room for connections: when files run short, those who hold many idle ones give way to those who come."""

from __future__ import annotations

import resource
from typing import Protocol

ACCEPTED_AT_ONCE = 16
"""Connections that are taken in one turn of the event loop. At its limit of files asyncio loses a second, and writes a
traceback for each connection that waits; one that gives way is closed three turns later."""
_SPARE_FILES = 80 + 3 * ACCEPTED_AT_ONCE
"""Files that the process needs besides: listeners, channels to instances, uploads on disk, and for those turns."""


class Connection(Protocol):
    """What gives way."""

    @property
    def is_idle(self) -> bool:
        """True while nobody works for it."""
        ...

    def give_way(self) -> None:
        """Close at once."""
        ...


class Room:
    """The open connections by origin. The process may open only so many files, and each of them is one."""

    def __init__(self) -> None:
        self._by_origin: dict[str, dict[Connection, None]] = {}
        self._number = 0

    def enter(self, connection: Connection, origin: str) -> None:
        """Count a new connection. Without room one of whoever has most gives way: the oldest idle, or the newest."""
        self._by_origin.setdefault(origin, {})[connection] = None
        self._number += 1
        if self._number > resource.getrlimit(resource.RLIMIT_NOFILE)[0] - _SPARE_FILES:
            greediest = max(self._by_origin, key=lambda name: len(self._by_origin[name]))
            theirs = self._by_origin[greediest]
            self._send_away(next((one for one in theirs if one.is_idle), next(reversed(theirs))), greediest)

    def leave(self, connection: Connection, origin: str) -> None:
        """A connection is gone; of one that gave way it is known."""
        same = self._by_origin.get(origin, {})
        if connection not in same:
            return
        self._number -= 1
        del same[connection]
        if not same:
            del self._by_origin[origin]

    def _send_away(self, connection: Connection, origin: str) -> None:
        self.leave(connection, origin)
        connection.give_way()
