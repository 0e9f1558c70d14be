"""What goes wrong when a model's files are loaded, as one clear error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from safetensors import SafetensorError

from services.common.errors import StartupError


@contextmanager
def clear_errors(model_id: str, source: object) -> Iterator[None]:
    """Turn what the libraries raise for missing, damaged or foreign files into a StartupError.

    Args:
        model_id: name that requests use.
        source: where the files are, as the settings or the log tell it.
    """
    try:
        yield
    except (LookupError, OSError, RuntimeError, SafetensorError, TypeError, ValueError) as exc:
        raise StartupError(f"model {model_id}: {source} cannot be loaded ({exc}); check its files") from exc
