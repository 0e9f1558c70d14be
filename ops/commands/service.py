"""`isolane health`, `isolane version`."""

from __future__ import annotations

import json
import platform
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of
from typing import Any

import click

from ops.commands.options import json_option, open_gateway, url_option
from ops.table import columns

_SHOWN = ("grpcio", "litestar", "torch", "sentence-transformers", "docling-slim")
"""Packages that decide what Isolane does; those that are not installed are left out."""


@click.command()
@url_option
@json_option
@click.pass_context
def health(context: click.Context, *, url: str | None, as_json: bool) -> None:
    """Say what is healthy and why the rest is not; exit status 1 when the gateway is not ready."""
    with open_gateway(url) as gateway:
        reply = gateway.ready()
        address = gateway.url
    click.echo(reply.text if as_json else f"{address} {_summary(reply.json())}")
    context.exit(0 if reply.is_success else 1)


@click.command()
@json_option
def version(*, as_json: bool) -> None:
    """Print the versions of Isolane and of what it is built on."""
    found = {"isolane": version_of("isolane"), "python": platform.python_version()}
    for package in _SHOWN:
        try:
            found[package] = version_of(package)
        except PackageNotFoundError:
            continue
    click.echo(json.dumps(found) if as_json else "\n".join(f"{name} {number}" for name, number in found.items()))


def _summary(body: dict[str, Any]) -> str:
    """Readiness, one line per instance, then one per model that instances compute differently."""
    rows = [("SERVICE", "HEALTH", "INSTANCE", "WHY NOT")]
    warnings = []
    for name, service in body.get("services", {}).items():
        down = "down" if service.get("required", True) else "down (optional)"
        for instance in service["instances"] or [{"address": "-", "reason": "no instance is known"}]:
            reason = instance.get("reason", "")
            rows.append((name, down if reason else "healthy", instance["address"], reason))
        for model in service.get("differences", ()):
            warnings.append(f"warning: {name}: {model['model']}: {model['reason']}")
    return "\n".join(["is ready" if body.get("ready") else "is not ready", columns(rows), *warnings])
