"""OpenBao: initialised once, then engines, policies and roles as the files in `vault/` say."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import hvac
from hvac.exceptions import InvalidPath, VaultError
from requests import RequestException

from services.common.errors import StartupError

AUDIENCE = "vault.io"
"""Who the identities that Nomad signs for OpenBao are meant for."""

_JWT = "jwt-nomad"
_CONSUL = "consul-ca"
_DEFAULT_LEASE = "768h"
_ROOT_LIFE = "87600h"
_OPERATOR_LIFE = "12h"
_LIMIT_S = 60
"""Longest answer: on a busy disk each write of the first start may take seconds."""

Failures = (VaultError, RequestException)
"""What hvac raises."""


def connect(address: str, token: str = "") -> hvac.Client:
    """A client; its token is never taken from the environment."""
    client = hvac.Client(url=address, token=token, timeout=_LIMIT_S)
    client.token = token
    client.session.trust_env = False
    return client


def initialize(client: hvac.Client) -> str:
    """Initialise a fresh server, unsealed by the key that its configuration names; returns the root token."""
    return str(client.sys.initialize(recovery_shares=1, recovery_threshold=1)["root_token"])


def set_up(client: hvac.Client, policies: Path) -> None:
    """Make engines and policies, and the role by which Consul signs; again: nothing new.

    Args:
        client: with the root token, or with the policy `bootstrap`.
        policies: folder of HCL files, one per policy.
    """
    _mount(client, "kv", "kv", options={"version": "2"})
    for path in ("pki", "connect-root", "connect-inter"):
        _mount(client, path, "pki", config={"max_lease_ttl": _ROOT_LIFE})
    _mount(client, "transit", "transit")
    for file in sorted(policies.glob("*.hcl")):
        client.sys.create_or_update_policy(file.stem, file.read_text(encoding="utf-8"))
    _authority(client, "connect-root", "Isolane mesh root")
    _authority(client, "pki", "Isolane root")
    _gateway_keys(client)
    _token_roles(client)
    _enable_auth(client, "approle", "approle")
    client.write_data(
        f"auth/approle/role/{_CONSUL}",
        data={"token_policies": [_CONSUL], "token_period": "1h", "secret_id_num_uses": 0},
    )


def trust_nomad(client: hvac.Client, jwks_url: str, parts: Sequence[str]) -> None:
    """Let a job's task be known by the identity that Nomad signs: one role per part, with the part's policy.

    The policies name no job id in a template: OpenBao refuses whole tokens whose templates meet a slash, which the ids
    of dispatched and periodic jobs have.

    Args:
        client: as for `set_up`.
        jwks_url: where Nomad publishes its keys; Nomad must run.
        parts: job names; task, role and policy are called the same.
    """
    _enable_auth(client, "jwt", _JWT)
    client.write_data(f"auth/{_JWT}/config", data={"jwks_url": jwks_url, "jwt_supported_algs": ["RS256", "EdDSA"]})
    for part in parts:
        client.write_data(f"auth/{_JWT}/role/{part}", data=_role(part))


def ensure_settings(client: hvac.Client, parts: Sequence[str]) -> None:
    """Give each part its secret settings, empty, unless it has some."""
    for part in parts:
        try:
            client.secrets.kv.v2.read_secret_version(
                path=f"isolane/{part}", mount_point="kv", raise_on_deleted_version=True
            )
        except InvalidPath:
            client.secrets.kv.v2.create_or_update_secret(
                path=f"isolane/{part}", secret={"otlp_headers": ""}, mount_point="kv"
            )


def consul_credentials(client: hvac.Client) -> tuple[str, str]:
    """Role id and a new secret id with which Consul logs in to sign certificates."""
    role = client.read(f"auth/approle/role/{_CONSUL}/role-id")["data"]["role_id"]
    secret = client.write_data(f"auth/approle/role/{_CONSUL}/secret-id", data={})["data"]["secret_id"]
    return str(role), str(secret)


def make_bootstrap_token(client: hvac.Client) -> str:
    """A renewable token with the policy `bootstrap`, to be kept in place of the root token."""
    reply = client.auth.token.create_orphan(
        policies=["bootstrap"], period=_DEFAULT_LEASE, display_name="isolane-bootstrap", no_default_policy=False
    )
    return str(reply["auth"]["client_token"])


def renew(client: hvac.Client) -> None:
    """Let the client's own token live on for its whole period."""
    client.auth.token.renew_self()


def make_operator_token(client: hvac.Client) -> str:
    """A token for a person, for half a day."""
    reply = client.write_data("auth/token/create/operator", data={"display_name": "operator", "ttl": _OPERATOR_LIFE})
    return str(reply["auth"]["client_token"])


def make_metrics_token(client: hvac.Client) -> str:
    """A renewable token that reads metrics alone."""
    reply = client.write_data("auth/token/create/metrics", data={"display_name": "metrics", "period": _DEFAULT_LEASE})
    return str(reply["auth"]["client_token"])


def _role(part: str) -> dict[str, Any]:
    return {
        "role_type": "jwt",
        "bound_audiences": [AUDIENCE],
        "bound_claims": {"nomad_namespace": "default", "nomad_job_id": part, "nomad_task": part},
        "user_claim": "/nomad_job_id",
        "user_claim_json_pointer": True,
        "claim_mappings": {"nomad_job_id": "nomad_job_id", "nomad_task": "nomad_task"},
        "token_type": "service",
        "token_policies": [part],
        "token_period": "30m",
    }


def _mount(client: hvac.Client, path: str, kind: str, **settings: Any) -> None:
    if f"{path}/" not in client.sys.list_mounted_secrets_engines()["data"]:
        client.sys.enable_secrets_engine(kind, path=path, **settings)


def _enable_auth(client: hvac.Client, kind: str, path: str) -> None:
    if f"{path}/" not in client.sys.list_auth_methods()["data"]:
        client.sys.enable_auth_method(kind, path=path)


def _authority(client: hvac.Client, mount: str, name: str) -> None:
    """A root certificate whose key never leaves OpenBao."""
    if client.list(f"{mount}/issuers"):
        return
    client.secrets.pki.generate_root(
        type="internal",
        common_name=name,
        mount_point=mount,
        extra_params={"ttl": _ROOT_LIFE, "key_type": "ec", "key_bits": 256},
    )


def _gateway_keys(client: hvac.Client) -> None:
    """What the gateway's policy speaks of: a certificate for its name, and a key to sign with."""
    client.write_data(
        "pki/roles/gateway",
        data={
            "allowed_domains": ["isolane.internal", "localhost"],
            "allow_subdomains": True,
            "allow_bare_domains": True,
            "key_type": "ec",
            "key_bits": 256,
            "max_ttl": "72h",
        },
    )
    client.write_data("transit/keys/gateway", data={"type": "ed25519"})


def _token_roles(client: hvac.Client) -> None:
    """So that the bootstrap token can make tokens of these policies and of no other."""
    for name in ("operator", "metrics"):
        client.write_data(
            f"auth/token/roles/{name}", data={"allowed_policies": [name], "orphan": True, "renewable": True}
        )


def explain(failure: Exception, what: str) -> StartupError:
    """An hvac failure as one clear line."""
    return StartupError(f"OpenBao, {what}: {failure}; its log may say more, `just stop` and `just dev` start anew")
