"""What `auto` came to before, so that a model is compared once on a machine and not at every start."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

from services.models.backends.openvino.runtime import openvino

_FILE = "dtypes.json"
_MOST = 1000
_CODE_VERSION = 1
"""Raise it when the samples, the rule or the graphs change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdicts:
    """A file of verdicts; what cannot be read or written is measured again.

    Args:
        folder: of models; made where it is missing.
    """

    folder: Path

    def find(self, key: str) -> str | None:
        """The number type that was chosen; None when it was not, or not for this."""
        return self._all().get(key)

    def keep(self, key: str, dtype: str) -> None:
        """Remember a choice."""
        verdicts = dict(list(self._all().items())[1 - _MOST :]) | {key: dtype}
        with contextlib.suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            # A name of its own: the services of a machine share the folder, and start at the same time.
            fresh = self.folder / f".{_FILE}.{os.getpid()}.new"
            fresh.write_text(json.dumps(verdicts, indent=1), encoding="utf-8")
            fresh.replace(self.folder / _FILE)

    def _all(self) -> dict[str, str]:
        with contextlib.suppress(OSError, ValueError):
            found = json.loads((self.folder / _FILE).read_text(encoding="utf-8"))
            if isinstance(found, dict):
                return {str(key): str(value) for key, value in found.items()}
        return {}


def key_of(revision: str, *what: str) -> str:
    """What a verdict holds for: a model's files, what is asked of them, this processor, this release.

    Args:
        revision: of the model's files.
        what: more that decides results.
    """
    core = openvino.Core()
    processor = [core.get_property("CPU", name) for name in ("FULL_DEVICE_NAME", "OPTIMIZATION_CAPABILITIES")]
    text = repr((revision, what, processor, openvino.__version__, _CODE_VERSION))
    return hashlib.sha256(text.encode()).hexdigest()[:32]
