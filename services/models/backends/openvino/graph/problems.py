"""What can be wrong with a model's files, and how a reader of the log learns of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from services.common.errors import StartupError, Unbuildable


class NotKnownError(Exception):
    """The model has something that the graph builder does not know.

    Args:
        what: what it has, as a noun.
        known: what the builder knows of the kind.
    """

    def __init__(self, what: str, known: Sequence[str] = ()) -> None:
        knows = f" (it knows {', '.join(known)})" if known else ""
        super().__init__(f"{what} is not known to the graph builder{knows}")


class DamagedError(Exception):
    """The files contradict each other, or hold what no library writes."""


@contextmanager
def reported(model_id: str, folder: Path) -> Iterator[None]:
    """Turn what goes wrong with a model's files into an error that names the model and what to do.

    Args:
        model_id: name that requests use.
        folder: the model's files.

    Raises:
        Unbuildable: instead of `NotKnownError`.
        StartupError: instead of everything else that damaged files lead to.
    """
    try:
        yield
    except NotKnownError as exc:
        raise Unbuildable(
            f"model {model_id}: {exc}; install the extra `torch`, which knows more: pip install 'isolane[torch]'"
        ) from exc
    # RuntimeError is OpenVINO's, the others are numpy's and the file system's.
    except (DamagedError, MemoryError, OSError, OverflowError, RuntimeError, ValueError) as exc:
        raise StartupError(f"model {model_id}: {folder} cannot be loaded ({exc}); check its files") from exc
