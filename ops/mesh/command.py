"""Running a program of the machine, with its failure as one clear line."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence

from services.common.errors import StartupError

_LIMIT_S = 60.0


def run(
    command: Sequence[str],
    *,
    input_text: str | None = None,
    environ: Mapping[str, str] | None = None,
    limit_s: float = _LIMIT_S,
) -> str:
    """Run to the end and return what it wrote to standard output.

    Args:
        command: program and arguments; never secrets, which everybody could see.
        input_text: for its standard input.
        environ: its whole environment; None for ours.
        limit_s: longest time. Unit: seconds.

    Raises:
        StartupError: it is missing, failed or took too long; the message has its last words.
    """
    try:
        done = subprocess.run(  # noqa: S603 - our own command lines
            command,
            input=input_text,
            env=environ,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=limit_s,
        )
    except FileNotFoundError as exc:
        raise StartupError(f"{command[0]}: no such program; install it") from exc
    except subprocess.TimeoutExpired as exc:
        raise StartupError(f"{' '.join(command)}: no end after {limit_s:g} s") from exc
    if done.returncode != 0:
        words = (done.stderr or done.stdout).strip()
        raise StartupError(f"{' '.join(command)}: {words or f'exit status {done.returncode}'}")
    return done.stdout
