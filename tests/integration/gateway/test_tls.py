"""The gateway's certificate, and its change while the gateway serves."""

from __future__ import annotations

import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.server import load_pair
from services.common.errors import StartupError

pytestmark = pytest.mark.integration

Eventually = Callable[[Callable[[], bool]], None]
RSA = ("-newkey", "rsa:2048")
EC = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")


class Files:
    """A certificate and its key, as a template renders them; `issue` writes a new pair."""

    def __init__(self, folder: Path) -> None:
        self.cert, self.key = folder / "cert.pem", folder / "key.pem"

    def issue(self, serial: int, *, kind: tuple[str, ...] = EC, usage: str = "serverAuth") -> None:
        subprocess.run(
            ["openssl", "req", "-x509", *kind, "-nodes", "-keyout", self.key, "-out", self.cert, "-days", "2",
             "-subj", "/CN=localhost", "-set_serial", str(serial), "-addext", "subjectAltName=IP:127.0.0.1",
             "-addext", f"extendedKeyUsage={usage}"],
            check=True, capture_output=True,
        )  # fmt: skip

    def settings(self) -> dict[str, str]:
        return {
            "ISOLANE_GATEWAY_PORT": "0",
            "ISOLANE_GATEWAY_TLS_CERT_FILE": str(self.cert),
            "ISOLANE_GATEWAY_TLS_KEY_FILE": str(self.key),
        }

    def trust(self) -> ssl.SSLContext:
        """A caller's context that trusts the certificate as it is now."""
        return ssl.create_default_context(cafile=str(self.cert))


@pytest.fixture
def files(tmp_path: Path) -> Files:
    issued = Files(tmp_path)
    issued.issue(1)
    return issued


@pytest.fixture
def serving(launch: Callable[..., Any], files: Files) -> Any:
    return launch("gateway", **files.settings())


def serial(port: int, trust: ssl.SSLContext) -> int:
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
        trust.wrap_socket(plain, server_hostname="127.0.0.1") as connection,
    ):
        shown = connection.getpeercert()
        assert shown is not None
        return int(str(shown["serialNumber"]), 16)


@contextmanager
def client(port: int, trust: ssl.SSLContext) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"https://127.0.0.1:{port}", verify=trust, timeout=20) as made:
        yield made


def hang_up(running: Any, eventually: Eventually, *, event: str = "reloaded") -> dict[str, Any]:
    """Send SIGHUP and wait for the line that says how it went."""
    before = len(running.lines(event))
    running.process.send_signal(signal.SIGHUP)
    eventually(lambda: len(running.lines(event)) > before)
    line: dict[str, Any] = running.lines(event)[-1]
    return line


def metrics(made: httpx.Client) -> dict[str, float]:
    lines = made.get("/metrics").text.splitlines()
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))}


def test_curl_gets_an_answer_over_https(serving: Any, files: Files) -> None:
    curl = shutil.which("curl")
    assert curl, "curl is needed"

    done = subprocess.run(
        [curl, "--silent", "--show-error", "--fail", "--cacert", files.cert,
         f"https://127.0.0.1:{serving.port}/health/live"],
        capture_output=True, check=False, timeout=20,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr


def test_the_metric_says_when_the_certificate_expires(serving: Any, files: Files) -> None:
    end = subprocess.run(
        ["openssl", "x509", "-in", files.cert, "-noout", "-enddate"], capture_output=True, text=True, check=True
    )

    with client(serving.port, files.trust()) as made:
        shown = metrics(made)["isolane_gateway_tls_not_after_seconds"]

    assert shown == ssl.cert_time_to_seconds(end.stdout.strip().removeprefix("notAfter="))


def test_callers_below_tls_1_2_are_refused(serving: Any, files: Files) -> None:
    old = files.trust()
    old.set_ciphers("DEFAULT:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        old.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        old.maximum_version = ssl.TLSVersion.TLSv1_1

    with pytest.raises((ssl.SSLError, ConnectionError)):
        serial(serving.port, old)


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("kinds", [(EC, EC), (EC, RSA), (RSA, EC)])
def test_new_connections_see_the_new_certificate_and_old_ones_go_on(
    launch: Callable[..., Any],
    files: Files,
    eventually: Eventually,
    newest: ssl.TLSVersion,
    kinds: tuple[tuple[str, ...], tuple[str, ...]],
) -> None:
    files.issue(1, kind=kinds[0])
    serving = launch("gateway", **files.settings())
    with client(serving.port, files.trust()) as old:
        assert old.get("/health/live").status_code == 200
        stream = old._transport._pool.connections[0]  # type: ignore[attr-defined]  # the connection itself
        files.issue(2, kind=kinds[1])

        line = hang_up(serving, eventually)

        trust = files.trust()
        trust.maximum_version = newest
        assert serial(serving.port, trust) == 2
        assert old.get("/health/live").status_code == 200
        assert old._transport._pool.connections == [stream]  # type: ignore[attr-defined]
    assert line["applied"] == ["tls_cert_file", "tls_key_file"]


def test_nothing_changed_applies_nothing(serving: Any, eventually: Eventually) -> None:
    assert hang_up(serving, eventually)["applied"] == []


@pytest.mark.parametrize("scene", ["other key", "no key", "half a certificate", "client certificate"])
def test_a_broken_pair_keeps_the_old_one_and_says_so(
    serving: Any, files: Files, eventually: Eventually, scene: str
) -> None:
    trust = files.trust()
    break_files(files, scene)

    line = hang_up(serving, eventually, event="reload_failed")

    assert str(files.cert) in line["error"] or str(files.key) in line["error"]
    assert serial(serving.port, trust) == 1
    with client(serving.port, trust) as made:
        assert metrics(made)['isolane_reloads_total{outcome="failed"}'] == 1
    files.issue(3)
    hang_up(serving, eventually)
    assert serial(serving.port, files.trust()) == 3


def break_files(files: Files, scene: str) -> None:
    if scene == "no key":
        files.key.unlink()
    elif scene == "half a certificate":
        files.cert.write_bytes(files.cert.read_bytes()[:200])
    elif scene == "client certificate":
        files.issue(2, usage="clientAuth")
    else:
        key = files.key.read_bytes()
        files.issue(2)
        files.key.write_bytes(key)


@pytest.mark.parametrize(
    ("scene", "name", "words"),
    [
        ("other key", "key.pem", "not the key of"),
        ("no key", "key.pem", "cannot be read"),
        ("half a certificate", "cert.pem", "not a PEM certificate"),
        ("client certificate", "cert.pem", "not fit for a server"),
    ],
)
def test_a_pair_that_cannot_serve_names_the_file_and_what_to_do(
    files: Files, scene: str, name: str, words: str
) -> None:
    break_files(files, scene)

    with pytest.raises(StartupError, match=f"{name}.*{words}.*; "):
        load_pair(str(files.cert), str(files.key))


def test_an_encrypted_key_is_refused_without_asking_for_its_password(files: Files) -> None:
    locked = files.key.with_name("locked.pem")
    subprocess.run(
        ["openssl", "pkey", "-in", files.key, "-aes256", "-passout", "pass:hunter2", "-out", locked], check=True
    )

    with pytest.raises(StartupError, match=r"locked\.pem.*unencrypted"):
        load_pair(str(files.cert), str(locked))


def test_an_expired_certificate_is_still_served(files: Files) -> None:
    expired = files.cert.with_name("expired.pem")
    subprocess.run(
        ["openssl", "x509", "-in", files.cert, "-signkey", files.key, "-days", "-1", "-out", expired],
        check=True, capture_output=True,
    )  # fmt: skip

    pair = load_pair(str(expired), str(files.key))

    assert pair.not_after_s < time.time()


def test_reloads_under_load_fail_no_request(serving: Any, files: Files, eventually: Eventually) -> None:
    trust = files.trust()
    failed: list[object] = []
    done = threading.Event()
    answered = [0] * 4

    def ask(place: int) -> None:
        with client(serving.port, trust) as made:
            while not done.is_set():
                try:
                    status = made.get("/health/live").status_code
                    # Its connection is new each time, as its certificate may be.
                    httpx.get(f"https://127.0.0.1:{serving.port}/health/live", verify=anybody())
                except httpx.HTTPError as exc:
                    failed.append(exc)
                else:
                    answered[place] += 1
                    failed.extend([status] if status != 200 else [])

    askers = [threading.Thread(target=ask, args=(place,)) for place in range(4)]
    for asker in askers:
        asker.start()
    eventually(lambda: min(answered) > 0)  # whoever connects later would see a certificate that it does not trust
    for number in range(2, 8):
        files.issue(number)
        hang_up(serving, eventually)
    done.set()
    for asker in askers:
        asker.join(30)

    assert failed == []
    assert min(answered) > 3
    assert len(serving.lines("reloaded")) == 6


def anybody() -> ssl.SSLContext:
    """A caller's context that trusts any certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def test_an_idle_connection_does_not_hold_up_the_end(serving: Any, files: Files) -> None:
    with client(serving.port, files.trust()) as idle:
        idle.get("/health/live")

        serving.process.terminate()

        assert serving.process.wait(5) == 0
