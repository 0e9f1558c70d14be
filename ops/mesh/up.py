"""Starting a mesh: programs, agents, what they need to be told, jobs; each step does nothing where it was done."""

from __future__ import annotations

import os
import secrets
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from ops.bootstrap import consul, nomad, openbao
from ops.mesh import agents, binaries, jobs, machine, preflight
from ops.mesh.agents import CONSUL, DATACENTER, NODE, NOMAD, OPENBAO, Site
from ops.mesh.down import clean
from ops.mesh.folder import MeshFolder
from ops.progress import Progress
from ops.settings import OpsSettings, cache_dir, project_root
from services.common.errors import StartupError

_AGENT_LIMIT_S = 60.0
_GRACE_S = 5.0
_POLL_S = 0.3
_JWKS = f"{NOMAD}/.well-known/jwks.json"


def start_mesh(settings: OpsSettings, progress: Progress) -> None:
    """Start a mesh, or bring one that runs up to date; it goes on in the background.

    Raises:
        StartupError: something is missing or failed; the message says what to do.
    """
    preflight.check_machine()
    folder = MeshFolder(settings.mesh_dir)
    os.umask(0o077)
    with folder.lock():
        _prepare(folder, settings, progress)
        site = make_site(folder, progress)
        start_agents(site, progress)
        _set_up(site, settings, progress)
        wait_passing(folder, settings, progress)
        folder.set_ready()


def make_site(folder: MeshFolder, progress: Progress) -> Site:
    """The place of a mesh, with every program that it needs.

    Raises:
        StartupError: it was started from another checkout, or a program cannot be had.
    """
    _check_checkout(folder)
    root = project_root()
    cni = preflight.ensure_packages(progress)
    binaries.provide(folder.bin, root=root, cache=cache_dir(), progress=progress)
    meta = {
        "isolane_python": sys.executable,
        "isolane_envoy": str((folder.bin / "envoy").resolve()),
    }
    return Site(folder=folder, root=root, cni=cni, meta=meta)


def start_agents(site: Site, progress: Progress) -> None:
    """Start every agent that does not run, in order, and wait for each; a fresh OpenBao is set up on the way."""
    os.umask(0o077)
    machine.make_bridge()
    _start_openbao(site, progress)
    _start_consul(site, progress)
    _start_nomad(site, progress)


def wait_passing(folder: MeshFolder, settings: OpsSettings, progress: Progress) -> None:
    """Wait until every part passes its checks in Consul, and no new version of one is on its way.

    Raises:
        StartupError: time is over; the message has what Nomad and Consul say of those that do not.
    """
    consuls = consul.connect(CONSUL, folder.token("consul-bootstrap.token"))
    nomads = nomad.connect(NOMAD, folder.token("nomad-bootstrap.token"))
    started_s = time.monotonic()
    while missing := [part for part in jobs.PARTS if not _is_settled(consuls, nomads, part)]:
        waited_s = time.monotonic() - started_s
        if waited_s > settings.mesh_timeout_s:
            raise StartupError(
                f"not healthy after {settings.mesh_timeout_s:g} s: {', '.join(missing)}\n{_why(folder, missing)}\n"
                "`just logs NAME` has more; ISOLANE_OPS_MESH_TIMEOUT_S allows more time"
            )
        progress.waiting(f"waiting for {', '.join(missing)}")
        time.sleep(_POLL_S)
    progress.done()


def _prepare(folder: MeshFolder, settings: OpsSettings, progress: Progress) -> None:
    """Begin afresh unless a whole mesh is here: a start that was cut off leaves nothing that can be trusted."""
    if folder.exists and not folder.is_ready:
        progress.say("an earlier start was cut off, or the machine was restarted: removing what is left")
        clean(folder, progress)
    if not folder.exists:
        preflight.check_free(settings.mesh_gateway_port)
        folder.make()
        preflight.check_space(folder)
        preflight.ensure_packages(progress)
        folder.note_before(lambda: {**machine.look(), "root": str(project_root())})


def _check_checkout(folder: MeshFolder) -> None:
    started_from = folder.before().get("root", str(project_root()))
    if started_from != str(project_root()):
        raise StartupError(f"the mesh in {folder.path} was started from {started_from}; `just stop` there ends it")


def _start_openbao(site: Site, progress: Progress) -> None:
    folder, agent = site.folder, site.openbao()
    if not folder.has_secret("openbao-seal.key"):
        folder.write_secret("openbao-seal.key", secrets.token_bytes(32))
    site.write_openbao()
    if agents.is_openbao_sealed():
        agent.end(_GRACE_S)  # it unseals itself when it starts, and only then
    agent.start()
    agent.wait(agents.is_openbao_up, _AGENT_LIMIT_S, progress)
    with _explained(openbao, "setting it up"):
        if not folder.has_secret("openbao-bootstrap.token"):
            root = openbao.initialize(openbao.connect(OPENBAO))
            agent.wait(agents.is_openbao_unsealed, _AGENT_LIMIT_S, progress)
            client = openbao.connect(OPENBAO, root)
            openbao.set_up(client, site.root / "vault" / "policies")
            role, secret = openbao.consul_credentials(client)
            folder.write_secret("consul-ca.role-id", role)
            folder.write_secret("consul-ca.secret-id", secret)
            folder.write_secret("openbao-metrics.token", openbao.make_metrics_token(client))
            folder.write_secret("openbao-bootstrap.token", openbao.make_bootstrap_token(client))
            client.auth.token.revoke_self()  # of the root token nothing remains
    agent.wait(agents.is_openbao_unsealed, _AGENT_LIMIT_S, progress)


def _start_consul(site: Site, progress: Progress) -> None:
    folder, agent = site.folder, site.consul()
    site.write_consul()
    agent.start()
    agent.wait(agents.has_consul_leader, _AGENT_LIMIT_S, progress)
    with _explained(consul, "setting up its tokens"):
        client = consul.connect(CONSUL, folder.token("consul-bootstrap.token"))
        agent.wait(lambda: consul.knows_token(client), _AGENT_LIMIT_S, progress)
        consul.put_policies(client, site.root / "consul" / "policies")
        consul.ensure_token(client, "consul agent", folder.token("consul-agent.token"), node=f"{NODE}:{DATACENTER}")
        for name in ("nomad", "metrics"):
            file = "nomad-consul.token" if name == "nomad" else "consul-metrics.token"
            consul.ensure_token(client, name, folder.token(file), policy=name)


def _start_nomad(site: Site, progress: Progress) -> None:
    folder, agent = site.folder, site.nomad()
    site.write_nomad()
    agent.start()
    agent.wait(agents.has_nomad_leader, _AGENT_LIMIT_S, progress)
    with _explained(nomad, "setting up its access control"):
        secret = folder.token("nomad-bootstrap.token")
        nomad.bootstrap(nomad.connect(NOMAD), secret)
        client = nomad.connect(NOMAD, secret)
        nomad.put_policies(client, site.root / "nomad" / "policies")
        agent.wait(lambda: nomad.is_node_ready(client), _AGENT_LIMIT_S, progress)


def _set_up(site: Site, settings: OpsSettings, progress: Progress) -> None:
    """Trust, entries and jobs, as the files say now."""
    folder, root = site.folder, site.root
    with _explained(openbao, "writing its policies"):
        client = openbao.connect(OPENBAO, folder.secret("openbao-bootstrap.token"))
        openbao.renew(client)
        openbao.renew(openbao.connect(OPENBAO, folder.secret("openbao-metrics.token")))
        openbao.set_up(client, root / "vault" / "policies")
        openbao.trust_nomad(client, _JWKS, jobs.PARTS)
        openbao.ensure_settings(client, jobs.PARTS)
    with _explained(consul, "writing its entries"):
        token = folder.token("consul-bootstrap.token")
        consul.trust_nomad(consul.connect(CONSUL, token), _JWKS)
        consul.write_entries(folder.bin / "consul", root / "consul", address=CONSUL, token=token)
    with _explained(nomad, "registering the jobs"):
        nomads = nomad.connect(NOMAD, folder.token("nomad-bootstrap.token"))
        for part in jobs.PARTS:
            values = jobs.values(part, settings)
            job = nomad.parse(nomads, jobs.jobspec(root, part), jobs.variables(root), values)
            nomad.register(nomads, job)
    progress.say(f"registered {', '.join(jobs.PARTS)}")


def _is_settled(consuls: consul.Client, nomads: nomad.Client, part: str) -> bool:
    try:
        return consul.passing(consuls, part) > 0 and not nomad.is_updating(nomads, part)
    except (*consul.Failures, *nomad.Failures):
        return False  # asked again


def _why(folder: MeshFolder, parts: list[str]) -> str:
    """What Nomad and Consul say of parts that are not healthy."""
    try:
        client = nomad.connect(NOMAD, folder.token("nomad-bootstrap.token"))
        words = [line for part in parts for line in nomad.failures(client, part)]
        return "\n".join(words + consul.problems(consul.connect(CONSUL, folder.token("consul-bootstrap.token"))))
    except (*nomad.Failures, *consul.Failures) as exc:
        return str(exc)


@contextmanager
def _explained(module: ModuleType, what: str) -> Iterator[None]:
    """Tell a library's failure as one clear line."""
    try:
        yield
    except module.Failures as exc:
        raise module.explain(exc, what) from exc
