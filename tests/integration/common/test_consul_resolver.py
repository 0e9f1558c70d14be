"""The resolver against a real Consul agent: checks that change, an agent that is killed, a workload's identity."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import shutil
import subprocess
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.common.discovery.base import Endpoint, Resolution
from services.common.discovery.consul import ConsulResolver
from services.common.testing.logs import captured_logs
from services.common.testing.ports import free_port

pytestmark = [pytest.mark.mesh, pytest.mark.timeout(120)]

VERSION = "1.19.2"
MANAGEMENT = str(uuid.uuid4())
"""The token that may do everything, where ACLs are on."""
METHOD = "workloads"


def consul_binary() -> str:
    """The pinned Consul, or a skip that says where it is looked for."""
    built = Path.home() / ".cache" / "isolane" / "tools" / f"consul-{VERSION}" / "consul"
    found = os.environ.get("ISOLANE_CONSUL") or shutil.which("consul") or (str(built) if built.exists() else "")
    if not found:
        pytest.skip("no consul: set ISOLANE_CONSUL, or put it on PATH")
    said = subprocess.run([found, "version"], capture_output=True, text=True, check=True).stdout
    assert f"v{VERSION}" in said, f"{found} is {said.splitlines()[0]}; {VERSION} is what runs in the mesh"
    return found


class Agent:
    """A Consul agent that a test starts, kills and asks to change."""

    def __init__(self, folder: Path, *, is_dev: bool = True, settings: str = "") -> None:
        self.folder = folder
        self.is_dev = is_dev
        names = ("http", "server", "serf_lan", "serf_wan")
        self.ports = {name: free_port() for name in names}
        self.settings = settings
        self.url = f"http://127.0.0.1:{self.ports['http']}"
        self.process: asyncio.subprocess.Process
        self.http = httpx.AsyncClient(base_url=self.url, headers={"X-Consul-Token": MANAGEMENT}, trust_env=False)

    async def start(self) -> None:
        ports = " ".join(f"{name} = {port}" for name, port in self.ports.items())
        # Without ports for DNS, gRPC and TLS nothing meets another agent of this machine.
        mode = ["-dev"] if self.is_dev else ["-server", "-bootstrap-expect=1", f"-data-dir={self.folder}"]
        quick = "performance { raft_multiplier = 1 }"
        self.process = await asyncio.create_subprocess_exec(
            *[
                consul_binary(),
                "agent",
                *mode,
                "-bind=127.0.0.1",
                "-client=127.0.0.1",
                "-node=test",
                "-log-level=error",
            ],
            *[
                "-hcl",
                f"ports {{ {ports} dns = -1 grpc = -1 grpc_tls = -1 https = -1 }} {quick}",
                "-hcl",
                self.settings,
            ],
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        await eventually(self._has_leader)

    async def kill(self) -> None:
        self.process.kill()
        await self.process.wait()

    async def stop(self) -> None:
        await self.http.aclose()
        if self.process.returncode is None:
            await self.kill()

    async def put(self, path: str, body: Any = None) -> Any:
        response = await self.http.put(path, json=body)
        response.raise_for_status()
        return response.json() if response.content else None

    async def register(self, name: str, check: dict[str, Any], port: int = 21000) -> None:
        """A sidecar of the service `embedding`."""
        proxy = {"DestinationServiceName": "embedding"}
        await self.put(
            "/v1/agent/service/register",
            {
                "ID": name,
                "Name": "embedding-sidecar-proxy",
                "Kind": "connect-proxy",
                "Address": "127.0.0.1",
                "Port": port,
                "Meta": {"models": "mini"},
                "Proxy": proxy,
                "Check": {"CheckID": name, **check},
            },
        )

    async def _has_leader(self) -> bool:
        with contextlib.suppress(httpx.TransportError):
            leader = await self.http.get("/v1/status/leader")
            ready = await self.http.get("/v1/catalog/nodes")
            return leader.is_success and len(leader.text) > 4 and ready.is_success and ready.json() != []
        return False


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(40):
        while not await condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.1)


@pytest.fixture
async def agents(tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[Agent]]]:
    """Starts agents; they end with the test."""
    started: list[Agent] = []

    consul_binary()

    async def start(**kwargs: Any) -> Agent:
        started.append(Agent(tmp_path / "data", **kwargs))
        await started[-1].start()
        return started[-1]

    yield start
    for agent in started:
        await agent.stop()


Start = Callable[..., Awaitable[Agent]]


class Heard:
    """What a watcher is told."""

    def __init__(self) -> None:
        self.resolutions: list[Resolution] = []

    async def follow(self, resolver: ConsulResolver) -> None:
        async with aclosing(resolver.watch("embedding")) as changes:
            async for resolution in changes:
                self.resolutions.append(resolution)

    async def until(self, *addresses: str) -> float:
        """Wait until these are the instances; seconds that it took."""
        began_s = time.monotonic()

        async def is_so() -> bool:
            last = self.resolutions[-1] if self.resolutions else None
            return last is not None and last.is_known and [e.address for e in last.endpoints] == list(addresses)

        await eventually(is_so)
        return time.monotonic() - began_s


@asynccontextmanager
async def watching(agent: Agent, **kwargs: Any) -> AsyncIterator[tuple[ConsulResolver, Heard]]:
    resolver, heard = ConsulResolver(agent.url, **kwargs), Heard()
    task = asyncio.create_task(heard.follow(resolver))
    try:
        yield resolver, heard
    finally:
        await resolver.aclose()
        await task


async def test_an_instance_appears_goes_critical_and_comes_back_within_a_second_each(agents: Start) -> None:
    agent = await agents()
    async with watching(agent) as (resolver, heard):
        await heard.until()
        await agent.register("one", {"TTL": "10m", "Status": "passing"})
        times = [await heard.until("127.0.0.1:21000")]
        first = resolver.resolve("embedding")
        await agent.put("/v1/agent/check/fail/one")
        times.append(await heard.until())
        await agent.put("/v1/agent/check/pass/one")
        times.append(await heard.until("127.0.0.1:21000"))

    assert first.endpoints == (Endpoint(address="127.0.0.1:21000", meta={"models": "mini"}),)
    assert first.age_s == 0.0
    assert max(times) < 1.5


async def test_instances_are_known_through_the_death_and_return_of_the_agent(agents: Start) -> None:
    agent = await agents(is_dev=False)
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with captured_logs() as logs:
        async with watching(agent) as (resolver, heard):
            await agent.register("one", {"TCP": f"127.0.0.1:{port}", "Interval": "3s", "Timeout": "1s"}, port)
            await heard.until(f"127.0.0.1:{port}")

            await agent.kill()
            killed_s = time.monotonic()
            await asyncio.sleep(3.0)
            dead_for_s, age_s = time.monotonic() - killed_s, resolver.resolve("embedding").age_s
            kept = resolver.resolve("embedding").endpoints
            await agent.start()
            await eventually(lambda: _is_current(resolver))

            told = [len(resolution.endpoints) for resolution in heard.resolutions if resolution.is_known]
    server.close()
    await server.wait_closed()

    assert [endpoint.address for endpoint in kept] == [f"127.0.0.1:{port}"]
    assert age_s == pytest.approx(dead_for_s, abs=1.0)
    assert told[-1] == 1
    assert told.count(0) <= 1, "the only empty answer is the one before the instance was registered"
    assert (len(logs.lines("resolver_lost")), len(logs.lines("resolver_back"))) == (1, 1)


async def _is_current(resolver: ConsulResolver) -> bool:
    return resolver.resolve("embedding").age_s == 0.0


# ACLs.

ACL = f'acl {{ enabled = true default_policy = "deny" tokens {{ initial_management = "{MANAGEMENT}" }} }}'


class Identities:
    """Signs identities as Nomad does, with a key of this test."""

    def __init__(self, folder: Path) -> None:
        self._key = folder / "key.pem"
        self.file = folder / "identity.jwt"
        self._openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", str(self._key))
        self.public_key = self._openssl("pkey", "-in", str(self._key), "-pubout").decode()

    def write(self, name: str) -> None:
        """A new identity of that name, for an hour."""
        now_s = int(time.time())
        claims = {"sub": name, "aud": "consul.io", "iat": now_s, "nbf": now_s, "exp": now_s + 3600}
        signed = f"{_encoded({'alg': 'RS256', 'typ': 'JWT'})}.{_encoded(claims)}"
        signature = self._openssl("dgst", "-sha256", "-sign", str(self._key), input=signed.encode())
        self.file.write_text(f"{signed}.{_base64url(signature)}")

    def _openssl(self, *arguments: str, input: bytes = b"") -> bytes:  # noqa: A002 - subprocess calls it so
        return subprocess.run(["openssl", *arguments], input=input, capture_output=True, check=True).stdout


def _encoded(value: dict[str, Any]) -> str:
    return _base64url(json.dumps(value).encode())


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


async def allow(agent: Agent, identities: Identities, rules: str) -> None:
    """Let these identities log in, with these rules."""
    await agent.put("/v1/acl/policy", {"Name": "gateway", "Rules": rules})
    await agent.put("/v1/acl/role", {"Name": "gateway", "Policies": [{"Name": "gateway"}]})
    config = {
        "JWTValidationPubKeys": [identities.public_key],
        "JWTSupportedAlgs": ["RS256"],
        "BoundAudiences": ["consul.io"],
    }
    await agent.put("/v1/acl/auth-method", {"Name": METHOD, "Type": "jwt", "Config": config})
    await agent.put("/v1/acl/binding-rule", {"AuthMethod": METHOD, "BindType": "role", "BindName": "gateway"})


async def login_tokens(agent: Agent) -> list[dict[str, Any]]:
    tokens: list[dict[str, Any]] = (await agent.http.get("/v1/acl/tokens")).raise_for_status().json()
    return [token for token in tokens if token.get("AuthMethod") == METHOD]


@pytest.fixture
def identities(tmp_path: Path) -> Identities:
    made = Identities(tmp_path)
    made.write("gateway")
    return made


READ = 'service_prefix "" { policy = "read" } node_prefix "" { policy = "read" }'


async def test_a_workload_logs_in_logs_in_again_when_its_token_is_gone_and_logs_out(
    agents: Start, identities: Identities
) -> None:
    agent = await agents(settings=ACL)
    await allow(agent, identities, READ)
    await agent.register("one", {"TTL": "10m", "Status": "passing"})
    async with watching(agent, auth_method=METHOD, jwt_file=str(identities.file)) as (_, heard):
        await heard.until("127.0.0.1:21000")
        [first] = await login_tokens(agent)

        identities.write("gateway-renewed")
        await agent.http.delete(f"/v1/acl/token/{first['AccessorID']}")
        await agent.register("two", {"TTL": "10m", "Status": "passing"}, 21001)
        await heard.until("127.0.0.1:21000", "127.0.0.1:21001")
        [second] = await login_tokens(agent)

    assert second["AccessorID"] != first["AccessorID"]
    assert await login_tokens(agent) == []


@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        ('key_prefix "x" { policy = "read" }', "status 403 (Permission denied"),
        ('service_prefix "" { policy = "read" }', "may not read the service embedding and its nodes"),
    ],
    ids=["nothing", "services without nodes"],
)
async def test_a_token_that_may_not_read_is_a_failure_and_not_an_empty_service(
    agents: Start, identities: Identities, rules: str, reason: str
) -> None:
    agent = await agents(settings=ACL)
    await allow(agent, identities, rules)
    await agent.register("one", {"TTL": "10m", "Status": "passing"})
    with captured_logs() as logs:
        async with watching(agent, auth_method=METHOD, jwt_file=str(identities.file)) as (resolver, heard):
            await eventually(lambda: _has_failed(logs))
            is_known = resolver.resolve("embedding").is_known
            await agent.put(f"/v1/acl/policy/{await _policy_id(agent)}", {"Name": "gateway", "Rules": READ})
            await heard.until("127.0.0.1:21000")

    assert not is_known
    assert reason in logs.lines("resolver_lost")[0]["reason"]


async def test_an_identity_that_consul_does_not_accept_is_named_as_the_reason(
    agents: Start, identities: Identities, tmp_path: Path
) -> None:
    agent = await agents(settings=ACL)
    await allow(agent, identities, READ)
    other = tmp_path / "other"
    other.mkdir()
    stranger = Identities(other)
    stranger.write("gateway")
    with captured_logs() as logs:
        async with watching(agent, auth_method=METHOD, jwt_file=str(stranger.file)):
            await eventually(lambda: _has_failed(logs))

    assert "/v1/acl/login: status 500 (no known key" in logs.lines("resolver_lost")[0]["reason"]


async def _has_failed(logs: Any) -> bool:
    return bool(logs.lines("resolver_lost"))


async def _policy_id(agent: Agent) -> str:
    policy: dict[str, str] = (await agent.http.get("/v1/acl/policy/name/gateway")).raise_for_status().json()
    return policy["ID"]
