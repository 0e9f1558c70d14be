"""Ports on loopback: free ones, and who has the taken ones."""

from __future__ import annotations

import contextlib
import errno
import socket
from collections.abc import Mapping

import psutil

from services.common.errors import StartupError

LOOPBACK = "127.0.0.1"


def choose(wanted: Mapping[str, int]) -> dict[str, int]:
    """Replace each 0 by a free port and check that the others can be had.

    Args:
        wanted: ports by the names of their settings.

    Raises:
        StartupError: ports are taken; it names every one, who has it and what to do.
    """
    problems = [_problem(name, port) for name, port in wanted.items() if port and not is_free(port)]
    problems += _duplicates(wanted)
    if problems:
        raise StartupError("\n".join(problems))
    free = iter(free_ports(sum(port == 0 for port in wanted.values())))
    return {name: port or next(free) for name, port in wanted.items()}


def free_ports(count: int) -> list[int]:
    """Different ports that nobody listens on at the moment."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind((LOOPBACK, 0))
        return [int(one.getsockname()[1]) for one in sockets]


def is_free(port: int) -> bool:
    """True when a server could listen on the port now."""
    with socket.socket() as probe:
        # As servers do: connections that are closing do not hold the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
            probe.listen(1)
        except OSError as exc:
            if exc.errno in {errno.EADDRINUSE, errno.EACCES}:
                return False
            raise
    return True


def holder(port: int) -> str:
    """Who listens on the port, for people; for another user's process only that somebody does."""
    for connection in psutil.net_connections("tcp"):
        is_listening = connection.status == psutil.CONN_LISTEN
        if is_listening and getattr(connection.laddr, "port", None) == port and connection.pid:
            with contextlib.suppress(psutil.Error):
                command = " ".join(psutil.Process(connection.pid).cmdline())
                return f"pid {connection.pid} ({command[:100]})"
    return "another user's process"


def _problem(name: str, port: int) -> str:
    variable = f"ISOLANE_OPS_{name.upper()}"
    if port < 1024 and holder(port) == "another user's process":
        return (
            f"port {port} ({variable}) is taken or needs root; set {variable} to another port, or to 0 for a free one"
        )
    return (
        f"port {port} is taken by {holder(port)}; end that process, "
        f"or set {variable} to another port, or to 0 for a free one"
    )


def _duplicates(wanted: Mapping[str, int]) -> list[str]:
    names: dict[int, list[str]] = {}
    for name, port in wanted.items():
        names.setdefault(port, []).append(f"ISOLANE_OPS_{name.upper()}")
    return [
        f"port {port} is set twice: {', '.join(same)}; set one of them to another port"
        for port, same in names.items()
        if port and len(same) > 1
    ]
