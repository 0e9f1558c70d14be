"""Consul: policies, tokens, trust in Nomad's identities and config entries, as the files in `consul/` say."""

from __future__ import annotations

import json
import subprocess
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import consul
from consul.callback import CB
from consul.exceptions import ConsulException
from requests import RequestException

from services.common.errors import StartupError

AUTH_METHOD = "nomad-workloads"
AUDIENCE = "consul.io"
"""Who the identities that Nomad signs for Consul are meant for."""

_OPERATOR_LIFE = "12h"
_LIMIT_S = 30
_CLAIMS = {
    "nomad_namespace": "nomad_namespace",
    "nomad_job_id": "nomad_job_id",
    "nomad_task": "nomad_task",
    "nomad_service": "nomad_service",
}
_ENTRIES = ("proxy-defaults.hcl", "mesh.hcl", "defaults/*.hcl", "resolvers/*.hcl", "intentions/*.hcl")
"""In the order in which they must be written."""

Client = consul.Consul

Failures = (ConsulException, RequestException)
"""What py-consul raises."""


def connect(address: str, token: str) -> consul.Consul:
    """A client; its token is never taken from the environment."""
    parts = urlsplit(address)
    client = consul.Consul(host=parts.hostname, port=parts.port, scheme=parts.scheme)
    client.token = token
    client.http.session.trust_env = False
    return client


def knows_token(client: consul.Consul) -> bool:
    """True once the client's token is known: a new leader makes the bootstrap token a moment after its election."""
    try:
        client.acl.token.list()
    except Failures:
        return False
    return True


def put_policies(client: consul.Consul, folder: Path) -> None:
    """Write one policy per HCL file, called like the file."""
    known = {policy["Name"]: policy["ID"] for policy in client.acl.policy.list()}
    for path in sorted(folder.glob("*.hcl")):
        body = {"Name": path.stem, "Rules": path.read_text(encoding="utf-8")}
        # The client's own method encodes rules as JSON, which HCL text does not survive.
        if path.stem in known:
            _put(client, f"/v1/acl/policy/{known[path.stem]}", {**body, "ID": known[path.stem]})
        else:
            _put(client, "/v1/acl/policy", body)


def ensure_token(client: consul.Consul, name: str, secret: str, *, policy: str = "", node: str = "") -> None:
    """Make a token with a secret that was chosen before, unless there is one.

    Args:
        client: with a management token.
        name: of the token.
        secret: what its holder sends.
        policy: that it has.
        node: name and datacenter ("dev:dc1") whose agent holds it.
    """
    accessor = str(uuid.uuid5(uuid.NAMESPACE_OID, secret))
    if any(token["AccessorID"] == accessor for token in client.acl.token.list()):
        return
    client.acl.token.create(
        accessor_id=accessor,
        secret_id=secret,
        description=name,
        policies_name=[policy] if policy else None,
        node_identities=[node] if node else None,
    )


def make_operator_token(client: consul.Consul) -> str:
    """A token for a person, for half a day."""
    token = client.acl.token.create(
        description="operator", policies_name=["operator"], expiration_ttl=_OPERATOR_LIFE, local=True
    )
    return str(token["SecretID"])


def trust_nomad(client: consul.Consul, jwks_url: str) -> None:
    """Let services and the gateway's task be known by the identities that Nomad signs.

    A service gets the identity of its name. Of the tasks only the gateway's may ask anything.
    """
    config = {
        "JWKSURL": jwks_url,
        "JWTSupportedAlgs": ["RS256"],
        "BoundAudiences": [AUDIENCE],
        "ClaimMappings": _CLAIMS,
    }
    if any(method["Name"] == AUTH_METHOD for method in client.acl.auth_method.list()):
        client.acl.auth_method.update(AUTH_METHOD, method_type="jwt", config=config)
    else:
        client.acl.auth_method.create(AUTH_METHOD, method_type="jwt", config=config)
    _bind(client, "service", "${value.nomad_service}", '"nomad_service" in value')
    _bind(client, "policy", "gateway", 'value.nomad_job_id == "gateway" and value.nomad_task == "gateway"')


def write_entries(program: Path, folder: Path, *, address: str, token: str) -> None:
    """Write every config entry of the folder, as plain HCL, which Consul's own command reads.

    Raises:
        StartupError: Consul refuses one, or does not answer in time.
    """
    environ = {"CONSUL_HTTP_ADDR": address, "CONSUL_HTTP_TOKEN": token}
    for path in (path for pattern in _ENTRIES for path in sorted(folder.glob(pattern))):
        try:
            done = subprocess.run(  # noqa: S603 - our own command line
                [program, "config", "write", path],
                env=environ,
                capture_output=True,
                text=True,
                check=False,
                timeout=_LIMIT_S,
            )
        except subprocess.TimeoutExpired as exc:
            raise StartupError(f"{path}: Consul has not taken it after {_LIMIT_S} s; its log may say more") from exc
        if done.returncode != 0:
            raise StartupError(f"{path}: Consul refuses it: {(done.stderr or done.stdout).strip()}")


def passing(client: consul.Consul, service: str) -> int:
    """Number of a service's instances whose sidecars get calls."""
    return len(client.health.connect(service, passing=True)[1])


def problems(client: consul.Consul) -> list[str]:
    """Checks that do not pass, as "service check: output"."""
    checks = [check for check in client.health.state("any")[1] if check["Status"] != "passing"]
    return [f"{c['ServiceName'] or c['Node']} {c['Name']}: {c['Output'].strip()[:160]}" for c in checks]


def explain(failure: Exception, what: str) -> StartupError:
    """A py-consul failure as one clear line."""
    return StartupError(f"Consul, {what}: {failure}; its log may say more, `just stop` and `just dev` start anew")


def _bind(client: consul.Consul, kind: str, name: str, selector: str) -> None:
    rules = client.acl.binding_rule.list(auth_method=AUTH_METHOD)
    known = [rule["ID"] for rule in rules if (rule["BindType"], rule["BindName"]) == (kind, name)]
    if known:
        client.acl.binding_rule.update(known[0], AUTH_METHOD, bind_type=kind, bind_name=name, selector=selector)
    else:
        client.acl.binding_rule.create(AUTH_METHOD, bind_type=kind, bind_name=name, selector=selector)


def _put(client: consul.Consul, path: str, body: Mapping[str, Any]) -> None:
    client.http.put(CB.json(), path, headers=client.prepare_headers(), data=json.dumps(body))
