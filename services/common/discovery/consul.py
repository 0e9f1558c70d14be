"""Instances as Consul sees them: those whose checks pass, asked by blocking queries, kept through an outage."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import httpx

from services.common.discovery.base import Resolution
from services.common.discovery.consul_api import ConsulApi
from services.common.discovery.consul_login import ConsulLogin
from services.common.discovery.consul_query import ServiceQuery, Timing
from services.common.telemetry.metrics import resolver_age_seconds


class ConsulResolver:
    """A resolver that names the sidecars of a service's passing instances, as Envoy routes to them.

    Each service has one query task, from the first `watch` until `aclose`; several watchers share it, and each of them
    gets the exception of a task that died.

    Args:
        address: of the Consul agent, http:// or https://.
        auth_method: Consul's auth method for this workload; empty asks without a token.
        jwt_file: the workload's identity; needed with `auth_method`.
        ca_file: authorities that may have signed the agent's certificate; empty for the system's.
        timing: waits and clock.
        transport: used instead of the network.

    Raises:
        StartupError: `ca_file` cannot be used.
    """

    def __init__(
        self,
        address: str,
        *,
        auth_method: str = "",
        jwt_file: str = "",
        ca_file: str = "",
        timing: Timing | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._api = ConsulApi(address, ca_file=ca_file, transport=transport)
        self._login = ConsulLogin(self._api, auth_method=auth_method, jwt_file=jwt_file)
        self._timing = timing or Timing()
        self._queries: dict[str, ServiceQuery] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._is_closed = False

    def resolve(self, service: str) -> Resolution:
        """What is known now; nothing of a service that nobody watches."""
        if query := self._queries.get(service):
            return query.resolution()
        return Resolution(service=service, endpoints=(), age_s=0.0, is_known=False)

    async def watch(self, service: str) -> AsyncGenerator[Resolution, None]:
        """What is known now, then each change, until the resolver is closed.

        Raises:
            RuntimeError: the query task died, which is a bug.
        """
        seen: Resolution | None = None
        while not self._is_closed:
            query, task = self._follow(service)
            changed, known = query.changed, query.resolution()
            if seen is None or (known.endpoints, known.is_known) != (seen.endpoints, seen.is_known):
                seen = known
                yield known
            elif task.done():
                raise RuntimeError(f"consul: the query of {service} ended") from _cause(task)
            else:
                await changed.wait()

    async def aclose(self) -> None:
        """End all watching and log out; what was known stays known."""
        self._is_closed = True
        for service, task in self._tasks.items():
            task.cancel()
            resolver_age_seconds().remove(service)
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        self._tasks.clear()
        await self._login.aclose()
        await self._api.aclose()

    def _follow(self, service: str) -> tuple[ServiceQuery, asyncio.Task[None]]:
        """The service's query and its task, made for the first watcher."""
        if service not in self._tasks:
            query = ServiceQuery(service, self._api, self._login, self._timing)
            task = asyncio.create_task(query.run(), name=f"consul {service}")
            task.add_done_callback(lambda _: query.tell_watchers())
            resolver_age_seconds().labels(service).set_function(lambda: query.resolution().age_s)
            self._queries[service], self._tasks[service] = query, task
        return self._queries[service], self._tasks[service]


def _cause(task: asyncio.Task[None]) -> BaseException | None:
    return None if task.cancelled() else task.exception()
