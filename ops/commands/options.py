"""Options that several subcommands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from ops.client import Gateway
from ops.local.state import StateFolder
from ops.mesh.folder import MeshFolder
from ops.settings import OpsSettings

Command = TypeVar("Command", bound=Callable[..., Any])


def url_option(command: Command) -> Command:
    """`--url`: which gateway."""
    return click.option(
        "--url", envvar="ISOLANE_URL", help="Gateway to call; without it that of the local stack, or of the dev mesh."
    )(command)


def json_option(command: Command) -> Command:
    """`--json`: for programs."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, as the API answers it.")(command)


def open_gateway(url: str | None) -> Gateway:
    """The gateway of `--url`, of what runs here, or at its usual address; tests pass a transport as `obj`."""
    return Gateway(url or _local_url(), transport=click.get_current_context().obj)


def _local_url() -> str:
    settings = OpsSettings.load()
    # Also of a stack whose supervisor was killed: its parts still serve.
    if state := StateFolder(settings.state_dir).read():
        return state.url
    port = settings.mesh_gateway_port if MeshFolder(settings.mesh_dir).is_ready else settings.gateway_port
    return f"http://127.0.0.1:{port or 8080}"
