"""Loading a model's files: no progress bars in the log, and what goes wrong as one clear error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from safetensors import SafetensorError
from transformers.utils.logging import disable_progress_bar

from services.common.errors import StartupError


@contextmanager
def loading(model_id: str, source: object) -> Iterator[None]:
    """Keep the libraries quiet, and turn what they raise for missing, damaged or foreign files into a StartupError.

    Args:
        model_id: name that requests use.
        source: where the files are, as the settings or the log tell it.
    """
    disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    except (LookupError, OSError, RuntimeError, SafetensorError, TypeError, ValueError) as exc:
        raise StartupError(f"model {model_id}: {source} cannot be loaded ({exc}); check its files") from exc
