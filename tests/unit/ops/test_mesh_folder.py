from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from ops.mesh.folder import MeshFolder
from services.common.errors import StartupError

HOLDER = """
import sys
from pathlib import Path
from ops.mesh.folder import MeshFolder
with MeshFolder(Path(sys.argv[1])).lock():
    print("held", flush=True)
    sys.stdin.read()
"""


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MeshFolder:
    """A made folder; its path is longer than Nomad's sockets allow."""
    monkeypatch.setattr("ops.mesh.folder._LONGEST", 1000)
    folder = MeshFolder(tmp_path / "mesh")
    folder.make()
    return folder


def test_only_the_owner_can_look_into_any_folder(folder: MeshFolder) -> None:
    folders = [folder.path, *(path for path in folder.path.iterdir() if path.is_dir())]

    assert {path.name: oct(mode(path)) for path in folders} == dict.fromkeys(
        ("mesh", "secrets", "config", "logs", "nomad", "bin"), "0o700"
    )


def test_only_the_owner_can_read_a_secret_also_with_an_open_umask(folder: MeshFolder) -> None:
    before = os.umask(0)
    try:
        folder.write_secret("seal.key", b"\x00key")
        folder.token("consul.token")
    finally:
        os.umask(before)

    assert {path.name: oct(mode(path)) for path in folder.secrets.iterdir()} == {
        "seal.key": "0o600",
        "consul.token": "0o600",
    }


def test_secret_that_is_written_again_leaves_no_other_file(folder: MeshFolder) -> None:
    folder.write_secret("token", "old")
    folder.write_secret("token", "new\n")

    assert folder.secret("token") == "new"
    assert [path.name for path in folder.secrets.iterdir()] == ["token"]


def test_token_is_made_up_once(folder: MeshFolder) -> None:
    first = folder.token("nomad.token")

    assert folder.token("nomad.token") == first == MeshFolder(folder.path).token("nomad.token")
    assert folder.token("consul.token") != first


def test_missing_secret_that_cannot_be_made_up_is_told_with_its_remedy(folder: MeshFolder) -> None:
    with pytest.raises(StartupError, match=r"secrets/gone: missing; `just stop` and `just dev`"):
        folder.secret("gone")


def test_path_that_is_too_long_for_sockets_is_told_with_its_limit(tmp_path: Path) -> None:
    path = Path("/var/lib/a-folder-with-a-long-name")

    with pytest.raises(StartupError, match=r"too long .*\(34 characters, at most 31\).*ISOLANE_OPS_MESH_DIR"):
        MeshFolder(path).make()


def test_folder_that_cannot_be_made_is_told_with_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ops.mesh.folder._LONGEST", 1000)
    (tmp_path / "file").touch()

    with pytest.raises(StartupError, match=r"cannot be made \(Not a directory\).*ISOLANE_OPS_MESH_DIR"):
        MeshFolder(tmp_path / "file" / "mesh").make()


def test_second_command_is_refused_with_the_pid_of_the_first(folder: MeshFolder) -> None:
    refused = pytest.raises(StartupError, match=rf"at work on the mesh \(pid {os.getpid()}\)")

    with folder.lock(), refused, MeshFolder(folder.path).lock():
        pass


def test_lock_is_free_again_after_it_was_held(folder: MeshFolder) -> None:
    with folder.lock():
        pass

    with MeshFolder(folder.path).lock():
        pass

    assert (folder.path / "lock").read_text() == ""


def test_lock_of_a_killed_command_is_free(folder: MeshFolder) -> None:
    command = [sys.executable, "-c", HOLDER, str(folder.path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(StartupError, match=f"pid {holder.pid}"), folder.lock():
            pass
        holder.kill()
        holder.wait()

        with folder.lock():
            assert (folder.path / "lock").read_text() == str(os.getpid())


def test_machine_is_noted_before_the_first_start_only(folder: MeshFolder) -> None:
    folder.note_before(lambda: {"ip_forward": "0"})
    folder.note_before(lambda: {"ip_forward": "1"})

    assert folder.exists
    assert folder.before() == {"ip_forward": "0"}


def test_nothing_exists_where_nothing_was_noted(tmp_path: Path) -> None:
    folder = MeshFolder(tmp_path / "none")

    assert (folder.exists, folder.is_ready, folder.before()) == (False, False, {})


def test_cleared_folder_keeps_only_logs(folder: MeshFolder) -> None:
    for name in ("consul", "openbao"):
        (folder.path / name).mkdir()
    folder.note_before(lambda: {"root": "/checkout"})
    folder.set_ready()
    folder.token("nomad.token")
    folder.log("nomad").write_text("a line")

    folder.clear()

    assert sorted(path.name for path in folder.path.iterdir()) == ["logs"]
    assert folder.log("nomad").read_text() == "a line"
    assert (folder.exists, folder.is_ready) == (False, False)


def test_a_folder_in_which_others_have_something_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ops.mesh.folder._LONGEST", 1000)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "their-program").touch()

    with pytest.raises(StartupError, match="has folders that no mesh made \\(bin\\)"):
        MeshFolder(tmp_path).make()

    assert (tmp_path / "bin" / "their-program").exists()


def test_a_mesh_of_before_the_last_restart_of_the_machine_is_not_ready(
    folder: MeshFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.set_ready()
    was_ready = folder.is_ready

    monkeypatch.setattr("ops.mesh.folder.boot_id", lambda: "another boot")

    assert (was_ready, folder.is_ready) == (True, False)
