"""The mesh's folder: what it keeps on disk, who may read it, and the lock that allows one command at a time."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from services.common.errors import StartupError

_LONGEST = 37
"""Nomad puts sockets at DATA/alloc/ALLOCATION/alloc/tmp/consul_grpc.sock; a socket's path has at most 107 bytes."""

_BOOT = Path("/proc/sys/kernel/random/boot_id")


class MeshFolder:
    """The files of one mesh; only its owner can look into it.

    Args:
        path: the folder; `make` makes it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.secrets = path / "secrets"
        self.config = path / "config"
        self.logs = path / "logs"
        self.nomad = path / "nomad"
        self.bin = path / "bin"
        self._before = path / "before.json"
        self._ready = path / "ready"

    def make(self) -> None:
        """Make the folders, closed to everybody else.

        Raises:
            StartupError: they cannot be made, others have something there, or the path is too long for Nomad's sockets.
        """
        if len(str(self.nomad)) > _LONGEST:
            raise StartupError(
                f"{self.path}: the path is too long for sockets below it ({len(str(self.path))} characters, at most "
                f"{_LONGEST - len('/nomad')}); name a shorter one with ISOLANE_OPS_MESH_DIR"
            )
        if strangers := [path.name for path in self._ours() if path.exists() and any(path.iterdir())]:
            raise StartupError(
                f"{self.path}: has folders that no mesh made ({', '.join(strangers)}), which `just stop` would remove; "
                "name another folder with ISOLANE_OPS_MESH_DIR"
            )
        try:
            for folder in (self.path, self.secrets, self.config, self.logs, self.nomad, self.bin):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.path.chmod(0o700)
        except OSError as exc:
            raise StartupError(
                f"{self.path}: the mesh's folder cannot be made ({exc.strerror}); correct that, or name another with "
                "ISOLANE_OPS_MESH_DIR"
            ) from exc

    @property
    def exists(self) -> bool:
        """True when a mesh runs here or left something."""
        return self._before.exists()

    @property
    def is_ready(self) -> bool:
        """True once a mesh was set up whole here and not stopped since, nor the machine restarted."""
        with contextlib.suppress(OSError):
            return self._ready.read_text(encoding="ascii") == boot_id()
        return False

    def set_ready(self) -> None:
        """Note that the mesh is set up whole."""
        self._ready.write_text(boot_id(), encoding="ascii")

    def unset_ready(self) -> None:
        """Note that the mesh is not whole any more."""
        self._ready.unlink(missing_ok=True)

    def before(self) -> dict[str, Any]:
        """What the machine looked like before the first start; empty when nothing was noted."""
        with contextlib.suppress(FileNotFoundError, ValueError):
            found: dict[str, Any] = json.loads(self._before.read_text(encoding="utf-8"))
            return found
        return {}

    def note_before(self, look: Callable[[], dict[str, Any]]) -> None:
        """Note what the machine looks like, unless an earlier start did."""
        if not self.before():
            fresh = self._before.with_suffix(".new")
            fresh.write_text(json.dumps(look()), encoding="utf-8")
            fresh.replace(self._before)

    def log(self, name: str) -> Path:
        """The log file of an agent."""
        return self.logs / f"{name}.log"

    def token(self, name: str) -> str:
        """A token or key by its name; made up where it is missing (a UUID, as Consul and Nomad take them)."""
        return self.secret(name, lambda: str(uuid.uuid4()))

    def secret(self, name: str, make: Callable[[], str] | None = None) -> str:
        """The text of a secret file; made once where there is none.

        Raises:
            StartupError: there is none and `make` is None.
        """
        path = self.secret_file(name)
        if not path.exists():
            if make is None:
                raise StartupError(f"{path}: missing; `just stop` and `just dev` set everything up anew")
            self.write_secret(name, make())
        return path.read_text(encoding="utf-8").strip()

    def secret_file(self, name: str) -> Path:
        """Where a secret is kept."""
        return self.secrets / name

    def write_secret(self, name: str, value: str | bytes) -> None:
        """Keep a secret in a file that only its owner can read."""
        write_private(self.secret_file(name), value)

    def has_secret(self, name: str) -> bool:
        """True when the secret is kept."""
        return self.secret_file(name).exists()

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the mesh; the kernel frees it when the process dies.

        Raises:
            StartupError: another command holds it.
        """
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self.path / "lock").open("a", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                who = (self.path / "lock").read_text(encoding="utf-8") or "unknown"
                raise StartupError(
                    f"another command is at work on the mesh (pid {who}); wait for it, or end it and try again"
                ) from None
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            yield
            file.truncate(0)

    def clear(self) -> None:
        """Remove everything but the logs, the note of how the machine was last of all."""
        self.unset_ready()
        for folder in self._ours():
            shutil.rmtree(folder, ignore_errors=True)
        self._before.unlink(missing_ok=True)

    def _ours(self) -> list[Path]:
        """What `clear` removes."""
        return [self.secrets, self.config, self.bin, *(self.path / name for name in ("nomad", "consul", "openbao"))]


def boot_id() -> str:
    """Another one after every restart of the machine, which ends processes, namespaces and mounts."""
    return _BOOT.read_text(encoding="ascii").strip()


def write_private(path: Path, value: str | bytes) -> None:
    """Write a file that only its owner can read, at once and whole."""
    data = value.encode() if isinstance(value, str) else value
    fresh = path.with_name(f"{path.name}.new-{secrets.token_hex(4)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    fresh.replace(path)
