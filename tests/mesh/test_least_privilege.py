"""Who can reach what: mTLS, intentions by method, tokens, addresses. Default deny, proved from the outside."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from ops import leftovers
from ops.bootstrap import openbao
from ops.mesh.agents import CONSUL, NOMAD, OPENBAO
from ops.mesh.jobs import PARTS
from ops.mesh.machine import ADDRESS
from tests.mesh.kit import Mesh, steady

SERVICES = ["embedding", "reranking", "documents", "gpu"]
PORTS = {"embedding": 50051, "reranking": 50052, "documents": 50053, "gpu": 50054}
EMBED = "/isolane.embedding.v1.EmbeddingService/Embed"
EMBED_MANY = f"{EMBED}Many"
TOKENIZE = "/isolane.embedding.v1.EmbeddingService/Tokenize"
DIAL = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=3).close()
    print("open")
except OSError as exc:
    print(type(exc).__name__)
"""
REFUSED = {"ConnectionRefusedError", "TimeoutError"}


def dial(host: str, port: int) -> str:
    try:
        socket.create_connection((host, port), timeout=3).close()
    except OSError as exc:
        return type(exc).__name__
    return "open"


@pytest.mark.parametrize("service", SERVICES)
def test_service_port_is_closed_in_plain_text_to_host_neighbour_and_bridge(mesh: Mesh, service: str) -> None:
    address, port = mesh.address(service), PORTS[service]
    neighbour = mesh.allocation("gateway")["ID"]

    assert dial("127.0.0.1", port) in REFUSED
    assert dial(address, port) in REFUSED
    assert mesh.run_in(neighbour, DIAL, address, str(port)) in REFUSED


def test_the_probe_itself_finds_an_open_port(mesh: Mesh) -> None:
    allocation = mesh.allocation("embedding")

    inside = mesh.run_in(allocation["ID"], DIAL, "127.0.0.1", "50051")
    sidecar = dial(*mesh.passing_addresses("embedding")[0])

    assert (inside, sidecar) == ("open", "open")


class Leaf:
    """A service's certificate, as its sidecar has it."""

    def __init__(self, mesh: Mesh, service: str, folder: Path) -> None:
        headers = {"X-Consul-Token": mesh.folder.token("consul-bootstrap.token")}
        leaf = httpx.get(f"{CONSUL}/v1/agent/connect/ca/leaf/{service}", headers=headers).raise_for_status().json()
        self.context = ssl.create_default_context()
        self.context.check_hostname = False  # mesh certificates name services by URI
        self.context.verify_mode = ssl.CERT_NONE
        self.context.set_alpn_protocols(["h2"])
        pem = folder / f"{service}.pem"
        pem.write_text(leaf["CertPEM"] + leaf["PrivateKeyPEM"])
        self.context.load_cert_chain(pem)


def call(context: ssl.SSLContext, address: tuple[str, int], path: str) -> httpx.Response:
    """An empty gRPC call through a sidecar's public port."""
    headers = {"content-type": "application/grpc", "te": "trailers"}
    with httpx.Client(http2=True, verify=context, trust_env=False) as client:
        return client.post(f"https://{address[0]}:{address[1]}{path}", headers=headers, content=b"\0\0\0\0\0")


def test_sidecar_refuses_a_client_without_a_mesh_certificate(mesh: Mesh) -> None:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # newer ones tell of it after the handshake

    address = mesh.passing_addresses("embedding")[0]
    with socket.create_connection(address, timeout=5) as connection, pytest.raises(ssl.SSLError) as caught:
        context.wrap_socket(connection)

    assert "handshake" in str(caught.value).lower() or "eof" in str(caught.value).lower()


def test_sidecar_refuses_plain_text(mesh: Mesh) -> None:
    host, port = mesh.passing_addresses("embedding")[0]

    with pytest.raises(httpx.HTTPError):
        httpx.post(f"http://{host}:{port}{EMBED}", trust_env=False, timeout=5)


def test_sidecar_refuses_another_service_and_admits_the_gateway(mesh: Mesh, tmp_path: Path) -> None:
    address = mesh.passing_addresses("embedding")[0]

    refused = call(Leaf(mesh, "reranking", tmp_path).context, address, EMBED)
    admitted = call(Leaf(mesh, "gateway", tmp_path).context, address, EMBED)
    joint = call(Leaf(mesh, "gateway", tmp_path).context, address, EMBED_MANY)

    assert (refused.headers["grpc-status"], refused.headers["grpc-message"]) == ("7", "RBAC: access denied")
    assert admitted.headers.get("grpc-status") != "7"  # the service itself answers: an empty request is not valid
    assert admitted.status_code == 200
    assert joint.headers.get("grpc-status") != "7"
    assert joint.status_code == 200


def test_method_that_no_intention_names_is_refused_to_the_gateway_too(mesh: Mesh, tmp_path: Path) -> None:
    reply = call(Leaf(mesh, "gateway", tmp_path).context, mesh.passing_addresses("embedding")[0], TOKENIZE)

    assert (reply.headers["grpc-status"], reply.headers["grpc-message"]) == ("7", "RBAC: access denied")


def test_without_its_intention_the_gateway_answers_clearly_and_heals_with_it(
    mesh: Mesh, record: Callable[..., None]
) -> None:
    root = mesh.site.root
    assert mesh.embed().status_code == 200

    mesh.consul_command("config", "delete", "-kind", "service-intentions", "-name", "embedding")
    try:
        lost_s = steady(lambda: mesh.embed().status_code != 200, "refusal", for_s=2, limit_s=30)
        refused = mesh.embed()
    finally:
        mesh.consul_command("config", "write", str(root / "consul/intentions/embedding.hcl"))
    healed_s = steady(lambda: mesh.embed().status_code == 200, "recovery", for_s=5, limit_s=45)

    record(refused_after_s=lost_s, healed_after_s=healed_s, answer=refused.text)
    assert refused.status_code == 503
    assert refused.json()["error"]["code"] == "not_permitted"
    assert "embedding: the mesh refuses the call" in refused.json()["error"]["message"]
    assert refused.headers["retry-after"] == "5"


@pytest.mark.parametrize(
    "url",
    [
        f"{CONSUL}/v1/agent/self",
        f"{CONSUL}/v1/agent/metrics",
        f"{CONSUL}/v1/health/connect/embedding",
        f"{CONSUL}/v1/acl/tokens",
        f"{CONSUL}/v1/connect/ca/configuration",
        f"http://{ADDRESS}:8500/v1/agent/self",
        f"{NOMAD}/v1/jobs",
        f"{NOMAD}/v1/nodes",
        f"{NOMAD}/v1/agent/self",
        f"{OPENBAO}/v1/kv/data/isolane/gateway",
        f"{OPENBAO}/v1/sys/mounts",
        f"{OPENBAO}/v1/sys/metrics",
    ],
)
def test_anonymous_request_is_refused(mesh: Mesh, url: str) -> None:
    reply = httpx.get(url, trust_env=False)

    assert reply.status_code == 403, reply.text


def test_anonymous_sees_no_service_and_no_node_in_consul(mesh: Mesh) -> None:
    assert httpx.get(f"{CONSUL}/v1/catalog/services", trust_env=False).json() == {}
    assert httpx.get(f"{CONSUL}/v1/catalog/nodes", trust_env=False).json() == []


@pytest.mark.parametrize("part", PARTS)
def test_task_of_a_part_reads_its_own_secrets_and_no_others(mesh: Mesh, part: str) -> None:
    allocation = mesh.allocation(part)["ID"]
    token = (mesh.folder.nomad / "alloc" / allocation / part / "private" / "vault_token").read_text()
    client = openbao.connect(OPENBAO, token)

    own = client.read(f"kv/data/isolane/{part}")
    others = {}
    for other in (name for name in PARTS if name != part):
        with contextlib.suppress(*openbao.Failures):
            others[other] = client.read(f"kv/data/isolane/{other}")

    assert "otlp_headers" in own["data"]["data"]
    assert others == {}


def test_only_the_gateway_may_sign_and_get_its_certificate(mesh: Mesh) -> None:
    results = {}
    for part in PARTS:
        allocation = mesh.allocation(part)["ID"]
        token = (mesh.folder.nomad / "alloc" / allocation / part / "private" / "vault_token").read_text()
        headers = {"X-Vault-Token": token}
        sign = httpx.post(f"{OPENBAO}/v1/transit/sign/gateway", json={"input": "aGVsbG8="}, headers=headers)
        name = {"common_name": "gateway.isolane.internal"}
        issue = httpx.post(f"{OPENBAO}/v1/pki/issue/gateway", json=name, headers=headers)
        results[part] = (sign.status_code, issue.status_code)

    assert results == {part: (200, 200) if part == "gateway" else (403, 403) for part in PARTS}


def secrets(mesh: Mesh) -> dict[str, str]:
    """Every token of the mesh, by the file that holds it."""
    files = [path for path in mesh.folder.secrets.iterdir() if not path.name.endswith(".key")]
    files += (mesh.folder.nomad / "alloc").glob("*/*/private/vault_token")
    files += (mesh.folder.nomad / "alloc").glob("*/*/secrets/*token*")
    files += (mesh.folder.nomad / "alloc").glob("*/*/secrets/*.jwt")
    return {str(path): text for path in files if len(text := path.read_text().strip()) > 20}


def test_no_token_is_on_a_command_line_or_in_an_environment(mesh: Mesh) -> None:
    found = []
    known = secrets(mesh)
    for process in leftovers.find(str(mesh.folder.path)):
        with contextlib.suppress(psutil.Error):
            words = [*process.cmdline(), *process.environ().values()]
            found += [(process.name(), path) for path, secret in known.items() if any(secret in word for word in words)]

    assert len(known) > len(PARTS)
    assert found == []


def test_no_secret_file_can_be_reached_by_others(mesh: Mesh) -> None:
    assert mesh.folder.path.stat().st_mode & 0o077 == 0  # nobody else enters
    modes = {path.name: oct(path.stat().st_mode & 0o777) for path in mesh.folder.secrets.iterdir()}
    assert set(modes.values()) == {"0o600"}
    assert all(path.stat().st_mode & 0o077 == 0 for path in mesh.folder.config.iterdir())


def listeners(mesh: Mesh) -> Iterator[tuple[str, str, int]]:
    """Program, address and port of everything of the mesh that listens in the machine's own network."""
    pids = {process.pid: process for process in leftovers.find(str(mesh.folder.path))}
    for connection in psutil.net_connections("inet"):
        address: Any = connection.laddr
        is_server = connection.status == psutil.CONN_LISTEN or (connection.type == socket.SOCK_DGRAM)
        if connection.pid in pids and is_server:
            yield pids[connection.pid].name(), address.ip, address.port


def test_agents_listen_on_loopback_and_the_bridge_alone(mesh: Mesh) -> None:
    found = set(listeners(mesh))

    assert {ip for _, ip, _ in found} == {"127.0.0.1", ADDRESS}
    assert {(name, port) for name, ip, port in found if ip == ADDRESS} == {("consul", 8500)}


def test_gateway_is_published_on_loopback_alone(mesh: Mesh) -> None:
    port = mesh.settings.mesh_gateway_port
    addresses = {
        address.address
        for addresses in psutil.net_if_addrs().values()
        for address in addresses
        if address.family == socket.AF_INET and not address.address.startswith("127.")
    }

    assert addresses  # the bridge at least
    assert dial("127.0.0.1", port) == "open"
    assert {address: dial(address, port) for address in addresses if dial(address, port) not in REFUSED} == {}


def test_neighbour_cannot_call_the_gateway_past_its_published_port(mesh: Mesh) -> None:
    fetch = """
import sys, urllib.error, urllib.request
request = urllib.request.Request(sys.argv[1], headers={"Host": "localhost"})
try:
    print(urllib.request.urlopen(request, timeout=5).status)
except urllib.error.HTTPError as exc:
    print(exc.code, exc.read().decode())
"""
    answer = mesh.run_in(mesh.allocation("gpu")["ID"], fetch, f"http://{mesh.address('gateway')}:8080/health/live")

    assert answer.startswith("403")
    assert "forbidden_peer" in answer


def test_operator_tokens_are_made_on_purpose_and_can_make_no_others(mesh: Mesh) -> None:
    tokens = {agent: mesh.isolane("token", agent).stdout.strip() for agent in ("consul", "nomad", "openbao")}

    consul_headers = {"X-Consul-Token": tokens["consul"]}
    nomad_headers = {"X-Nomad-Token": tokens["nomad"]}
    bao_headers = {"X-Vault-Token": tokens["openbao"]}
    assert "embedding" in httpx.get(f"{CONSUL}/v1/catalog/services", headers=consul_headers).json()
    assert httpx.get(f"{CONSUL}/v1/acl/tokens", headers=consul_headers).status_code == 403
    assert httpx.get(f"{NOMAD}/v1/jobs", headers=nomad_headers).is_success
    assert httpx.get(f"{NOMAD}/v1/acl/tokens", headers=nomad_headers).status_code == 403
    assert httpx.get(f"{OPENBAO}/v1/kv/data/isolane/gateway", headers=bao_headers).is_success
    assert httpx.post(f"{OPENBAO}/v1/auth/token/create", headers=bao_headers, json={}).status_code == 403
