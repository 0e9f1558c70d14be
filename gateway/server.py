"""The HTTP server of the gateway: uvicorn in this process and loop, under our own signals, limits, logs and TLS."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import math
import os
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn

from gateway.app import Gateway
from gateway.metrics import tls_not_after_seconds
from gateway.protocol import bounded_protocol
from gateway.room import ACCEPTED_AT_ONCE
from gateway.settings import GatewaySettings
from services.common.errors import StartupError
from services.common.lifecycle import Change, on_reload, spare_the_collector, stop_signal, supervise
from services.common.telemetry.logs import get_logger

_KEEP_ALIVE_S = 75
"""Longer than callers' connection pools keep an idle connection (5 to 60 s), so that they, not we, close it: a request
that meets a close on its way is lost."""
_BACKLOG = 2048
_GOODBYE_S = 1.0
"""Time that callers get to answer the end of TLS while the gateway drains."""
_NO_CHECK_TIME = ssl.VerifyFlags(0x200000)
"""OpenSSL's X509_V_FLAG_NO_CHECK_TIME, which the ssl module has no name for."""

log = get_logger()


async def serve(settings: GatewaySettings, gateway: Gateway) -> None:
    """Listen, serve, drain on SIGTERM.

    Raises:
        StartupError: the port is taken, or the certificate cannot be used.
        TaskDied: a background task ended.
    """
    stopping = stop_signal()
    certificate = _certificate(settings)
    listener = listen(settings)
    server = _Server(_config(settings, gateway, certificate))
    async with contextlib.aclosing(gateway.resolver), supervise(gateway.background, stopping):
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        spare_the_collector()
        log.info("serving", host=settings.host, port=listener.getsockname()[1])
        await _first_of(stopping, serving)
        gateway.readiness.is_draining = True
        log.info("draining", drain_s=settings.drain_s)
        await asyncio.sleep(settings.shutdown_delay_s)
        server.should_exit = True
        await serving


class _Server(uvicorn.Server):
    """Leaves signals to the process, and does not wait for callers that are silent."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Nothing: `stop_signal` is told."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve. The kernel may keep more new connections waiting than asyncio takes at once, which has one number."""
        await super().startup(sockets)
        for listener in sockets or ():
            listener.listen(_BACKLOG)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drain. A closed TLS connection waits for the caller's own end of it, which an idle caller does not send."""
        cutting = asyncio.create_task(self._cut_silent())
        try:
            await super().shutdown(sockets)
        finally:
            cutting.cancel()
            await asyncio.gather(cutting, return_exceptions=True)

    async def _cut_silent(self) -> None:
        while True:
            connections = self.server_state.connections
            closing = {connection for connection in connections if connection.transport.is_closing()}
            await asyncio.sleep(_GOODBYE_S)
            for connection in closing & connections:
                if not connection.transport.get_write_buffer_size():
                    connection.transport.abort()


def listen(settings: GatewaySettings) -> socket.socket:
    """A listening socket; StartupError when the port is taken, where uvicorn would end the process."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        listener = socket.create_server((settings.host, settings.port), family=family, backlog=_BACKLOG)
    except OSError as exc:
        raise StartupError(
            f"gateway: cannot listen on {settings.host}:{settings.port} ({exc.strerror}); stop what uses the port "
            "or set ISOLANE_GATEWAY_PORT"
        ) from exc
    # asyncio sets it only on sockets that it made itself; without it every answer waits 40 ms for an acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


class Certificate:
    """What the gateway shows its callers; SIGHUP replaces it for new connections.

    Args:
        pair: the first certificate and key.
    """

    def __init__(self, pair: Pair) -> None:
        # A connection takes the newest pair as a whole when its ClientHello is there. Loaded into one context, a pair
        # would be half there between its two files, and one of another key type would join the old one.
        self.context = _server_context()
        self.context.sni_callback = self._take_newest
        self._use(pair)

    def prepare(self, _old: GatewaySettings, new: GatewaySettings) -> Change | None:
        """The change to what the files hold now; StartupError when that cannot be used."""
        if not new.tls_cert_file:
            return None
        pair = load_pair(new.tls_cert_file, new.tls_key_file)
        if pair.digest == self._pair.digest:
            return None
        return Change(fields=["tls_cert_file", "tls_key_file"], commit=lambda: self._use(pair))

    def _use(self, pair: Pair) -> None:
        self._pair = pair
        tls_not_after_seconds().set(pair.not_after_s)

    def _take_newest(self, connection: ssl.SSLSocket | ssl.SSLObject, _name: str | None, _: ssl.SSLContext) -> None:
        connection.context = self._pair.context


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A certificate and its key, proven to work together."""

    context: ssl.SSLContext
    not_after_s: float
    """When the certificate expires, in Unix time. Unit: seconds."""
    digest: bytes
    """Of both files."""


def load_pair(cert_file: str, key_file: str) -> Pair:
    """Read a certificate and its key, and shake hands with them in memory.

    Raises:
        StartupError: they cannot be read, do not match or cannot serve.
    """
    certificate, key = _read("tls_cert_file", cert_file), _read("tls_key_file", key_file)
    try:
        client = _client_context(certificate.decode("ascii"))
    except (ValueError, ssl.SSLError) as exc:
        raise StartupError(
            f"tls_cert_file: {cert_file}: not a PEM certificate; write the server's chain to it"
        ) from exc
    context = _server_context()
    try:
        # What was read is loaded, rather than the files: they may change in between.
        with _memory_file(certificate) as cert_path, _memory_file(key) as key_path:
            context.load_cert_chain(cert_path, key_path, password=lambda: "")
        not_after_s = _not_after_s(client, context)
    except (ValueError, ssl.SSLError) as exc:
        raise StartupError(_unusable(cert_file, key_file, exc)) from exc
    digest = hashlib.sha256(hashlib.sha256(certificate).digest() + key).digest()
    return Pair(context=context, not_after_s=not_after_s, digest=digest)


def _certificate(settings: GatewaySettings) -> Certificate | None:
    """The certificate of the settings, followed on reloads; None for plain HTTP."""
    if not settings.tls_cert_file:
        tls_not_after_seconds().set(math.nan)
        return None
    certificate = Certificate(load_pair(settings.tls_cert_file, settings.tls_key_file))
    on_reload(certificate.prepare)
    return certificate


def _read(setting: str, path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as exc:
        raise StartupError(
            f"{setting}: {path}: cannot be read ({exc.strerror}); create it for this user or correct the setting"
        ) from exc


def _server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _client_context(certificate: str) -> ssl.SSLContext:
    """A caller that trusts this one certificate alone, and under any name and at any time."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN | _NO_CHECK_TIME
    context.load_verify_locations(cadata=certificate)
    return context


@contextlib.contextmanager
def _memory_file(content: bytes) -> Iterator[str]:
    """A path at which the content can be read, and which is on no disk: ssl takes paths only."""
    descriptor = os.memfd_create("isolane-tls")
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        yield f"/proc/self/fd/{descriptor}"


def _not_after_s(client: ssl.SSLContext, server: ssl.SSLContext) -> float:
    """When the server's certificate expires, in Unix time, as a caller reads it: ssl decodes what it has verified."""
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (client.wrap_bio(to_client, to_server), server.wrap_bio(to_server, to_client, server_side=True))
    # Two turns of each end complete TLS 1.3, and three TLS 1.2.
    for end in ends * 3:
        with contextlib.suppress(ssl.SSLWantReadError):
            end.do_handshake()
    shown = ends[0].getpeercert() or {}
    return float(ssl.cert_time_to_seconds(str(shown["notAfter"])))


def _unusable(cert_file: str, key_file: str, error: Exception) -> str:
    reason = getattr(error, "reason", None) or type(error).__name__
    if reason == "KEY_VALUES_MISMATCH":
        return f"tls_key_file: {key_file}: not the key of {cert_file}; write certificate and key of one issue"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"tls_cert_file: {cert_file}: not fit for a server ({error.verify_message}); issue a server certificate"
    return f"tls_key_file: {key_file}: cannot be used with {cert_file} ({reason}); write its key as unencrypted PEM"


def _config(settings: GatewaySettings, gateway: Gateway, certificate: Certificate | None) -> uvicorn.Config:
    app: Any = gateway.asgi
    return uvicorn.Config(
        app,
        http=bounded_protocol(settings),
        # uvloop speeds up neither grpc.aio nor, here, the whole, and costs memory.
        loop="none",
        ws="none",
        lifespan="off",
        interface="asgi3",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        backlog=ACCEPTED_AT_ONCE,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=max(1, round(settings.drain_s)),
        ssl_context_factory=(lambda _config, _default: certificate.context) if certificate else None,
    )


async def _first_of(stopping: asyncio.Event, serving: asyncio.Task[None]) -> None:
    """Wait for the signal, or for the server to end on its own."""
    signalled = asyncio.create_task(stopping.wait())
    await asyncio.wait({signalled, serving}, return_when=asyncio.FIRST_COMPLETED)
    signalled.cancel()
