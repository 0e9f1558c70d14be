"""The secrets of a local stack: files that only its user can read."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Self

from ops.settings import OpsSettings, inherited_environment
from services.common.config import SECRETS_DIR
from services.common.errors import StartupError

MODEL_SERVICES = ("embedding", "reranking")
"""Services whose models can be changed while they run, by those who have the admin token."""


class SecretsFolder:
    """The folder of secret files of one stack, in the shape of ISOLANE_SECRETS_DIR.

    Args:
        path: the folder.
        is_ours: it belongs to the stack; one that the person named is only read.
    """

    def __init__(self, path: Path, *, is_ours: bool) -> None:
        self.path = path
        self._is_ours = is_ours

    @classmethod
    def of(cls, settings: OpsSettings) -> Self:
        """The one that ISOLANE_SECRETS_DIR names, or else the stack's own."""
        if chosen := inherited_environment().get(SECRETS_DIR):
            return cls(Path(chosen).expanduser(), is_ours=False)
        return cls(settings.state_dir / "secrets", is_ours=True)

    def renew(self) -> None:
        """Write a new admin token for each model service, where the folder is the stack's own."""
        if not self._is_ours:
            return
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        for service in MODEL_SERVICES:
            file = self._file(service)
            file.unlink(missing_ok=True)
            file.touch(mode=0o600)
            file.write_text(secrets.token_urlsafe(32), encoding="utf-8")

    def admin_token(self, service: str) -> str:
        """The token of a running service, from where the service has it: its variable, or else the file.

        Raises:
            StartupError: there is none.
        """
        if given := inherited_environment().get(f"ISOLANE_{service.upper()}_ADMIN_TOKEN"):
            return given
        try:
            return self._file(service).read_text(encoding="utf-8").strip()
        except OSError as exc:
            raise StartupError(
                f"{self._file(service)}: {exc.strerror}; write the service's admin token there, or start the stack anew"
            ) from exc

    def _file(self, service: str) -> Path:
        return self.path / f"isolane_{service}_admin_token"
