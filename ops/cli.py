"""The `isolane` command."""

from __future__ import annotations

from typing import IO, Any

import click

from ops.commands.inference import embed, parse, rerank
from ops.commands.mesh import dev, start, token
from ops.commands.models import models
from ops.commands.service import health, version
from ops.commands.stack import local, logs, status, stop
from services.common.errors import ConfigInvalid, IsolaneError


class Failed(click.ClickException):
    """An error that is told in one line."""

    def show(self, file: IO[Any] | None = None) -> None:
        """Write it to standard error."""
        click.echo(f"isolane: {self.format_message()}", file=file, err=True)


class Misconfigured(Failed):
    """Settings are wrong."""

    exit_code = 2


class Commands(click.Group):
    """Subcommands whose known errors become one clear line; exit status 1, or 2 for wrong settings and usage."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Refuse arguments that are not text: neither JSON nor a header can carry them."""
        for arg in args:
            if any("\ud800" <= character <= "\udfff" for character in arg):
                raise click.UsageError(f"argument {arg!a} is not valid UTF-8; convert it, or rename the file", ctx)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the subcommand."""
        try:
            return super().invoke(ctx)
        except ConfigInvalid as exc:
            raise Misconfigured(str(exc)) from exc
        except IsolaneError as exc:
            raise Failed(str(exc)) from exc
        except BrokenPipeError:
            raise  # whoever read the output has seen enough: click ends quietly
        except OSError as exc:
            raise Failed(_told(exc)) from exc


def _told(exc: OSError) -> str:
    reason = exc.strerror or str(exc) or type(exc).__name__
    return f"{exc.filename}: {reason}" if exc.filename else reason


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Isolane: embeddings, reranking and document parsing on your own machines."""


for command in (local, dev, start, stop, token, status, logs, models, embed, rerank, parse, health, version):
    cli.add_command(command)


def main() -> None:
    """Run the command line and exit."""
    cli(prog_name="isolane")
