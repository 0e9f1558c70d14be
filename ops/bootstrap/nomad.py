"""Nomad: its access control, the operator's policy, and the jobs, as the files in `nomad/` say."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import nomad
import requests
from nomad.api.exceptions import BaseNomadException, URLNotFoundNomadException

from services.common.errors import StartupError

_OPERATOR_LIFE = "12h"
_EVALUATION_LIMIT_S = 10.0
_POLL_S = 0.05

Client = nomad.Nomad

Failures = (BaseNomadException, requests.RequestException)
"""What python-nomad raises."""


def connect(address: str, token: str = "") -> nomad.Nomad:
    """A client; nothing is taken from the environment."""
    session = requests.Session()
    session.trust_env = False
    parts = urlsplit(address)
    client = nomad.Nomad(
        address=address,
        secure=parts.scheme == "https",
        # Left out, these three would come from NOMAD_REGION, NOMAD_NAMESPACE and NOMAD_TOKEN.
        region="global",
        namespace="default",
        token=token or None,
        timeout=20,
        verify=True,
        session=session,
    )
    if not token:
        client.acl.token = None
    return client


def bootstrap(client: nomad.Nomad, secret: str) -> None:
    """Make the management token with a secret that was chosen before, unless Nomad has been bootstrapped."""
    # The client's own method takes no secret.
    try:
        client.acl.request("bootstrap", json={"BootstrapSecret": secret}, method="post")
    except BaseNomadException as exc:
        if "bootstrap already done" not in _text(exc):
            raise


def put_policies(client: nomad.Nomad, folder: Path) -> None:
    """Write one policy per HCL file, called like the file."""
    for path in sorted(folder.glob("*.hcl")):
        rules = path.read_text(encoding="utf-8")
        client.acl.create_policy(path.stem, {"Name": path.stem, "Rules": rules})


def make_operator_token(client: nomad.Nomad) -> str:
    """A token for a person, for half a day."""
    token = client.acl.create_token(
        {"Name": "operator", "Type": "client", "Policies": ["operator"], "ExpirationTTL": _OPERATOR_LIFE}
    )
    return str(token["SecretID"])


def parse(client: nomad.Nomad, path: Path, variables: Path, values: Mapping[str, str | int | bool]) -> dict[str, Any]:
    """A jobspec as Nomad's JSON.

    Args:
        client: any token.
        path: the jobspec.
        variables: file with values for its variables.
        values: more values, for variables that the file does not set.

    Raises:
        StartupError: it is wrong.
    """
    more = "\n".join(f"{name} = {_literal(value)}" for name, value in values.items())
    body = {
        "JobHCL": path.read_text(encoding="utf-8"),
        "Variables": f"{variables.read_text(encoding='utf-8')}\n{more}\n",
        "Canonicalize": True,
    }
    # The client's own method knows no variables.
    try:
        job: dict[str, Any] = client.jobs.request("parse", json=body, method="post").json()
    except BaseNomadException as exc:
        raise StartupError(f"{path}: {_text(exc)}") from exc
    return job


def register(client: nomad.Nomad, job: Mapping[str, Any]) -> None:
    """Run a job, or its new version, and wait until Nomad has decided what that takes; again: nothing new."""
    evaluation = client.jobs.register_job({"Job": job})["EvalID"]
    until_s = time.monotonic() + _EVALUATION_LIMIT_S
    while client.evaluation.get_evaluation(evaluation)["Status"] == "pending" and time.monotonic() < until_s:
        time.sleep(_POLL_S)


def stop_all(client: nomad.Nomad) -> list[str]:
    """Stop every job at once; returns their names."""
    names = [str(job["ID"]) for job in client.jobs.get_jobs()]
    for name in names:
        # The client's own method cannot leave out the wait that keeps callers from noticing: here all callers go too.
        client.job.request(name, params={"no_shutdown_delay": "true"}, method="delete")
    return names


def live_allocations(client: nomad.Nomad) -> list[str]:
    """Jobs that still have something running, one entry per allocation."""
    allocations = client.allocations.get_allocations()
    return [str(one["JobID"]) for one in allocations if one["ClientStatus"] in {"pending", "running"}]


def is_node_ready(client: nomad.Nomad) -> bool:
    """True when a client node takes jobs: with the mesh's parts and OpenBao found by its fingerprints."""
    nodes = client.nodes.get_nodes()
    ready = [node for node in nodes if node["Status"] == "ready" and node["SchedulingEligibility"] == "eligible"]
    return any(_has_mesh(client.node.get_node(node["ID"])["Attributes"]) for node in ready)


def job_state(client: nomad.Nomad, name: str) -> tuple[str, int]:
    """Status of a job ("running", "pending", "dead", "missing") and how many of its instances run."""
    try:
        status = str(client.job.get_job(name)["Status"])
    except URLNotFoundNomadException:
        return "missing", 0
    running = [one for one in client.job.get_allocations(name) if one["ClientStatus"] == "running"]
    return status, len(running)


def is_updating(client: nomad.Nomad, name: str) -> bool:
    """True while a new version of a job takes the place of the old one."""
    return str((client.job.get_deployment(name) or {}).get("Status")) in {"pending", "running"}


def failures(client: nomad.Nomad, name: str) -> list[str]:
    """What went wrong lately in a job: placements that failed, and the last event of tasks that do not run."""
    found = []
    for evaluation in client.job.get_evaluations(name):
        for group in (evaluation.get("FailedTGAllocs") or {}).values():
            reasons = [*(group.get("ConstraintFiltered") or {}), *(group.get("DimensionExhausted") or {})]
            found.append(f"no place for {name}: {', '.join(reasons) or 'no node'}")
    for one in client.job.get_allocations(name):
        for task, state in (one.get("TaskStates") or {}).items():
            events = state.get("Events") or []
            if state["State"] != "running" and events:
                found.append(f"{name}/{task}: {events[-1]['DisplayMessage']}")
    return found


def explain(failure: Exception, what: str) -> StartupError:
    """A python-nomad failure as one clear line."""
    return StartupError(f"Nomad, {what}: {_text(failure)}; its log may say more, `just stop` and `just dev` start anew")


def _has_mesh(attributes: Mapping[str, str]) -> bool:
    return int(attributes.get("consul.grpc", "0")) > 0 and "vault.version" in attributes


def _literal(value: str | int | bool) -> str:  # noqa: FBT001 - a value of a variable
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("${", "$${")
        return f'"{escaped}"'
    return str(value).lower()


def _text(failure: Exception) -> str:
    response = getattr(failure, "nomad_resp", None)
    return str(getattr(response, "text", "") or failure)
