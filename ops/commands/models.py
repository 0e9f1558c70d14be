"""`isolane models`: what the services of the local stack have loaded, and changes to it while they run."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from urllib.parse import urlsplit

import click
from isolane.common.v1 import models_service_pb2 as pb

from ops.local.secrets import MODEL_SERVICES, SecretsFolder
from ops.local.state import StateFolder
from ops.model_admin import ModelAdmin
from ops.settings import OpsSettings, inherited_environment
from ops.table import columns
from services.common.errors import StartupError

service_argument = click.argument("service", type=click.Choice(MODEL_SERVICES))


@click.group()
def models() -> None:
    """List, load, warm up and unload models of the local stack; what is changed is gone with the stack."""


@models.command("list")
@click.argument("service", type=click.Choice(MODEL_SERVICES), required=False)
def list_models(*, service: str | None) -> None:
    """Print the loaded models of a service, or of all; the first is the default."""
    rows: list[tuple[str, ...]] = [("SERVICE", "MODEL", "BACKEND", "TYPE", "DEVICE", "1,000 TOKENS", "QUEUED")]
    for name in [service] if service else MODEL_SERVICES:
        rows += [_row(name, loaded) for loaded in _admin(name).models()]
    click.echo(columns(rows))


@models.command()
@service_argument
@click.argument("settings_json", metavar="JSON")
def load(*, service: str, settings_json: str) -> None:
    """Load a model: JSON as an entry of `models` in the settings, for example '{"id": "m", "source": "path:/m"}'."""
    _print([_row(service, _admin(service).load(settings_json))])


@models.command("warm-up")
@service_argument
@click.argument("model")
def warm_up(*, service: str, model: str) -> None:
    """Measure the speed of a loaded model anew."""
    _print([_row(service, _admin(service).warm_up(model))])


@models.command()
@service_argument
@click.argument("model")
def unload(*, service: str, model: str) -> None:
    """Finish what waits for a model, and free it."""
    _admin(service).unload(model)
    click.echo(f"{service}: {model} is unloaded")


@models.command()
@click.argument("service", type=click.Choice(MODEL_SERVICES), required=False)
@click.pass_context
def losses(context: click.Context, *, service: str | None) -> None:
    """Print what bfloat16 and int8 lose on the models that the settings name; takes minutes, and no running stack."""
    environ = {"HF_HUB_OFFLINE": "1"} | inherited_environment()
    failed = False
    for name in [service] if service else MODEL_SERVICES:
        command = [sys.executable, "-P", "-m", "services.models.backends.losses", name]
        failed |= subprocess.run(command, env=environ, stdin=subprocess.DEVNULL, check=False).returncode != 0  # noqa: S603 - ours
    context.exit(1 if failed else 0)


def _admin(service: str) -> ModelAdmin:
    settings = OpsSettings.load()
    state = StateFolder(settings.state_dir).running()
    if state is None:
        raise StartupError(
            "no local stack runs here; start one with `just local`. In the mesh the jobs say what is served"
        )
    url = next(part.url for part in state.parts if part.name == service)
    return ModelAdmin(urlsplit(url).netloc, service, SecretsFolder.of(settings).admin_token(service))


def _row(service: str, loaded: pb.LoadedModel) -> tuple[str, ...]:
    model = loaded.model
    speed = f"{loaded.thousand_tokens_us / 1000:.0f} ms"
    return (service, model.id, model.backend, model.dtype, model.device, speed, str(loaded.queued_cost))


def _print(rows: Sequence[tuple[str, ...]]) -> None:
    click.echo(columns(rows))
