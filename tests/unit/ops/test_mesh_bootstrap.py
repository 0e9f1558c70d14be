"""What OpenBao, Consul and Nomad are told, by stand-ins that keep what they were told and answer without a socket."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from requests.adapters import BaseAdapter

from ops.bootstrap import consul, nomad, openbao
from services.common.errors import StartupError

ROOT = Path(__file__).resolve().parents[3]
PARTS = ("gpu", "gateway")
JWKS = "http://127.0.0.1:4646/.well-known/jwks.json"


class StandIn(BaseAdapter):
    """A server in place of the network; a subclass keeps state.

    Args:
        session: of the client that asks.
    """

    def __init__(self, session: requests.Session) -> None:
        super().__init__()
        self.calls: list[tuple[str, str, Any]] = []
        self.requests: list[requests.PreparedRequest] = []
        self.answers: dict[str, tuple[int, Any]] = {}
        session.mount("http://", self)

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        path = urlsplit(str(request.url)).path.removeprefix("/v1/")
        body = json.loads(request.body) if request.body else None
        self.calls.append((str(request.method), path, body))
        self.requests.append(request)
        status, answer = self.answers.get(path) or self.answer(str(request.method), path, body)
        reply = requests.Response()
        reply.status_code, reply.url, reply.request = status, str(request.url), request
        reply.headers.update({"X-Consul-Index": "1", "Content-Type": "application/json"})
        reply._content = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
        return reply

    def close(self) -> None:
        pass

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        return 200, {}

    def told(self, pattern: str) -> list[tuple[str, str, Any]]:
        """Calls that change something at a path."""
        return [call for call in self.calls if call[0] in {"PUT", "POST"} and re.fullmatch(pattern, call[1])]


class Bao(StandIn):
    """OpenBao, with engines, auth methods, issuers and secrets."""

    def __init__(self, session: requests.Session) -> None:
        super().__init__(session)
        self.listed: dict[str, dict[str, Any]] = {"sys/mounts": {}, "sys/auth": {}}
        self.kept: dict[str, Any] = {}

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        kind = "/".join(path.split("/")[:2])
        if path in self.listed:
            return 200, {"data": self.listed[path]}
        if kind in self.listed:
            self.listed[kind][f"{path.split('/')[2]}/"] = body
        elif method == "LIST" or (method == "GET" and "list=true" in str(self.requests[-1].url)):
            found = path in self.kept
            return (200, {"data": {"keys": ["one"]}}) if found else (404, {"errors": []})
        elif path.endswith("root/generate/internal"):
            self.kept[f"{path.partition('/')[0]}/issuers"] = True
        elif method == "GET":
            return (200, {"data": self.kept[path]}) if path in self.kept else (404, {"errors": []})
        else:
            self.kept[path] = body
        return 200, {"auth": {"client_token": "made"}, "data": {"secret_id": "s"}}


class Consul(StandIn):
    """Consul, with policies, tokens, auth methods and binding rules."""

    KINDS: ClassVar = {
        "policy": "policies",
        "token": "tokens",
        "auth-method": "auth-methods",
        "binding-rule": "binding-rules",
    }

    def __init__(self, session: requests.Session) -> None:
        super().__init__(session)
        self.kept: dict[str, list[dict[str, Any]]] = {name: [] for name in self.KINDS.values()}

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        name = path.removeprefix("acl/").split("/")[0]
        if name in self.kept:
            return 200, self.kept[name]
        if name in self.KINDS and path.count("/") == 1:
            entry = {"ID": str(len(self.calls)), "SecretID": "made", **body}
            self.kept[self.KINDS[name]].append(entry)
            return 200, entry
        return 200, body


@pytest.fixture
def bao() -> tuple[Any, Bao]:
    client = openbao.connect("http://bao", "root")
    return client, Bao(client.session)


@pytest.fixture
def consuls() -> tuple[consul.Client, Consul]:
    client = consul.connect("http://consul:8500", "management")
    return client, Consul(client.http.session)


@pytest.fixture
def nomads() -> tuple[Any, StandIn]:
    client = nomad.connect("http://nomad:4646", "management")
    return client, StandIn(client.session)


def set_up_openbao(client: Any) -> None:
    openbao.set_up(client, ROOT / "vault" / "policies")
    openbao.trust_nomad(client, JWKS, PARTS)
    openbao.ensure_settings(client, PARTS)


def set_up_consul(client: consul.Client) -> None:
    consul.put_policies(client, ROOT / "consul" / "policies")
    consul.ensure_token(client, "nomad", "6f0e0f2c-0000-0000-0000-000000000000", policy="nomad")
    consul.ensure_token(client, "agent", "7f0e0f2c-0000-0000-0000-000000000000", node="dev:dc1")
    consul.trust_nomad(client, JWKS)


def test_openbao_gets_every_policy_as_its_file_says(bao: tuple[Any, Bao]) -> None:
    set_up_openbao(bao[0])

    told = {path.rpartition("/")[2]: body["policy"] for _, path, body in bao[1].told("sys/policy/.+")}
    assert told == {path.stem: path.read_text() for path in (ROOT / "vault/policies").glob("*.hcl")}


def test_openbao_that_is_set_up_again_is_asked_to_make_nothing(bao: tuple[Any, Bao]) -> None:
    set_up_openbao(bao[0])
    made = r"sys/(mounts|auth)/.+|.+/root/generate/.+|kv/data/.+"
    first = [path for _, path, _ in bao[1].told(made)]
    bao[1].calls.clear()

    set_up_openbao(bao[0])

    assert sorted(first) == [
        "connect-root/root/generate/internal",
        "kv/data/isolane/gateway",
        "kv/data/isolane/gpu",
        "pki/root/generate/internal",
        "sys/auth/approle",
        "sys/auth/jwt-nomad",
        *(f"sys/mounts/{name}" for name in ("connect-inter", "connect-root", "kv", "pki", "transit")),
    ]
    assert bao[1].told(made) == []


def test_secrets_that_a_part_has_are_left_alone(bao: tuple[Any, Bao]) -> None:
    bao[1].kept["kv/data/isolane/gpu"] = {"data": {"otlp_headers": "authorization=x"}, "metadata": {}}

    openbao.ensure_settings(bao[0], PARTS)

    assert [path for _, path, _ in bao[1].told("kv/.+")] == ["kv/data/isolane/gateway"]


def test_role_of_a_part_is_for_its_task_alone_and_has_its_policy_alone(bao: tuple[Any, Bao]) -> None:
    openbao.trust_nomad(bao[0], JWKS, PARTS)

    roles = {path.rpartition("/")[2]: body for _, path, body in bao[1].told("auth/jwt-nomad/role/.+")}
    assert set(roles) == set(PARTS)
    for part, role in roles.items():
        assert role["bound_claims"] == {"nomad_namespace": "default", "nomad_job_id": part, "nomad_task": part}
        assert role["token_policies"] == [part]
        assert role["bound_audiences"] == [openbao.AUDIENCE]


def test_root_keys_are_made_inside_openbao(bao: tuple[Any, Bao]) -> None:
    openbao.set_up(bao[0], ROOT / "vault" / "policies")

    assert len(bao[1].told(".+/root/generate/internal")) == len(bao[1].told(".+/root/generate/.+")) == 2


def test_operators_tokens_end_after_twelve_hours(
    bao: tuple[Any, Bao], consuls: tuple[consul.Client, Consul], nomads: tuple[Any, StandIn]
) -> None:
    nomads[1].answers["acl/token"] = 200, {"SecretID": "made"}

    tokens = [
        openbao.make_operator_token(bao[0]),
        consul.make_operator_token(consuls[0]),
        nomad.make_operator_token(nomads[0]),
    ]

    assert tokens == ["made"] * 3
    assert bao[1].calls[-1][1:] == ("auth/token/create/operator", {"display_name": "operator", "ttl": "12h"})
    assert consuls[1].calls[-1][2]["ExpirationTTL"] == "12h"
    assert consuls[1].calls[-1][2]["Policies"] == [{"Name": "operator"}]
    assert nomads[1].calls[-1][2]["ExpirationTTL"] == "12h"
    assert nomads[1].calls[-1][2] == {
        "Name": "operator",
        "Type": "client",
        "Policies": ["operator"],
        "ExpirationTTL": "12h",
    }


def test_consul_gets_every_policy_as_its_file_says(consuls: tuple[consul.Client, Consul]) -> None:
    set_up_consul(consuls[0])

    told = {policy["Name"]: policy["Rules"] for policy in consuls[1].kept["policies"]}
    assert told == {path.stem: path.read_text() for path in (ROOT / "consul/policies").glob("*.hcl")}


def test_consul_that_is_set_up_again_has_nothing_new(consuls: tuple[consul.Client, Consul]) -> None:
    set_up_consul(consuls[0])
    first = json.dumps(consuls[1].kept)

    set_up_consul(consuls[0])

    assert json.dumps(consuls[1].kept) == first
    assert {name: len(kept) for name, kept in consuls[1].kept.items()} == {
        "policies": len(list((ROOT / "consul/policies").glob("*.hcl"))),
        "tokens": 2,
        "auth-methods": 1,
        "binding-rules": 2,
    }


def test_consul_is_asked_until_it_knows_the_bootstrap_token(consuls: tuple[consul.Client, Consul]) -> None:
    client, server = consuls
    before = consul.knows_token(client)
    server.answers["acl/tokens"] = (403, "ACL not found")

    assert (before, consul.knows_token(client)) == (True, False)


def test_known_policy_is_written_anew(consuls: tuple[consul.Client, Consul], tmp_path: Path) -> None:
    (tmp_path / "nomad.hcl").write_text("# new")
    consuls[1].kept["policies"] = [{"Name": "nomad", "ID": "77"}]

    consul.put_policies(consuls[0], tmp_path)

    assert consuls[1].told("acl/policy.*") == [
        ("PUT", "acl/policy/77", {"Name": "nomad", "Rules": "# new", "ID": "77"})
    ]


def test_token_has_the_secret_that_was_chosen_and_what_its_holder_needs(consuls: tuple[consul.Client, Consul]) -> None:
    set_up_consul(consuls[0])

    ours, agents = consuls[1].kept["tokens"]
    assert ours["SecretID"].startswith("6f0e")
    assert (ours["Policies"], agents["NodeIdentities"]) == (
        [{"Name": "nomad"}],
        [{"NodeName": "dev", "Datacenter": "dc1"}],
    )


def test_only_services_and_the_gateways_task_are_let_in(consuls: tuple[consul.Client, Consul]) -> None:
    set_up_consul(consuls[0])

    rules = [(rule["BindType"], rule["BindName"], rule["Selector"]) for rule in consuls[1].kept["binding-rules"]]
    assert rules == [
        ("service", "${value.nomad_service}", '"nomad_service" in value'),
        ("policy", "gateway", 'value.nomad_job_id == "gateway" and value.nomad_task == "gateway"'),
    ]


def test_entries_are_written_in_order_with_the_token_in_the_environment_alone(tmp_path: Path) -> None:
    program = tmp_path / "consul"
    program.write_text(f'#!/bin/sh\necho "$CONSUL_HTTP_TOKEN $*" >>"{tmp_path}/calls"\n')
    program.chmod(0o755)

    consul.write_entries(program, ROOT / "consul", address="http://consul", token="secret")

    calls = (tmp_path / "calls").read_text().splitlines()
    kinds = [Path(call.split()[-1]).parent.name for call in calls]
    assert [call.split()[:3] for call in calls] == [["secret", "config", "write"]] * len(calls)
    assert calls[0].endswith("consul/proxy-defaults.hcl")
    assert [kind for number, kind in enumerate(kinds) if kind not in kinds[:number]] == [
        "consul",
        "defaults",
        "resolvers",
        "intentions",
    ]


def test_entry_that_consul_refuses_is_told_with_its_file(tmp_path: Path) -> None:
    program = tmp_path / "consul"
    program.write_text("#!/bin/sh\necho 'Error: invalid config key' >&2\nexit 1\n")
    program.chmod(0o755)

    with pytest.raises(StartupError, match=r"proxy-defaults\.hcl: Consul refuses it: Error: invalid config key"):
        consul.write_entries(program, ROOT / "consul", address="http://consul", token="secret")


def test_entry_that_consul_does_not_take_in_time_is_told_with_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consul, "_LIMIT_S", 0.1)
    program = tmp_path / "consul"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)

    with pytest.raises(StartupError, match=r"proxy-defaults\.hcl: Consul has not taken it after 0\.1 s"):
        consul.write_entries(program, ROOT / "consul", address="http://consul", token="secret")


def test_checks_that_do_not_pass_are_told_in_one_line_each(consuls: tuple[consul.Client, Consul]) -> None:
    check = {"Name": "gpu answers", "Node": "dev", "ServiceName": "gpu"}
    consuls[1].answers["health/state/any"] = (
        200,
        [
            {**check, "Status": "passing", "Output": ""},
            {**check, "Status": "critical", "Output": "connection refused\n" + "x" * 300},
            {"Name": "serf", "Node": "dev", "ServiceName": "", "Status": "critical", "Output": "gone"},
        ],
    )

    first, second = consul.problems(consuls[0])

    assert first.startswith("gpu gpu answers: connection refused")
    assert (len(first) < 200, second) == (True, "dev serf: gone")


def test_nomad_is_bootstrapped_with_the_secret_that_was_chosen(nomads: tuple[Any, StandIn]) -> None:
    nomad.bootstrap(nomads[0], "chosen")

    assert nomads[1].calls == [("POST", "acl/bootstrap", {"BootstrapSecret": "chosen"})]


def test_nomad_that_was_bootstrapped_is_left_alone(nomads: tuple[Any, StandIn]) -> None:
    nomads[1].answers["acl/bootstrap"] = 400, "ACL bootstrap already done (reset index: 7)"

    nomad.bootstrap(nomads[0], "chosen")


def test_nomad_that_cannot_be_bootstrapped_says_why(nomads: tuple[Any, StandIn]) -> None:
    nomads[1].answers["acl/bootstrap"] = 500, "No cluster leader"

    with pytest.raises(nomad.Failures) as caught:
        nomad.bootstrap(nomads[0], "chosen")

    assert str(nomad.explain(caught.value, "setting up")) == (
        "Nomad, setting up: No cluster leader; its log may say more, `just stop` and `just dev` start anew"
    )


def test_nothing_is_taken_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NOMAD_TOKEN", "NOMAD_REGION", "NOMAD_NAMESPACE", "CONSUL_HTTP_TOKEN", "VAULT_TOKEN"):
        monkeypatch.setenv(name, "inherited")
    monkeypatch.setenv("CONSUL_HTTP_ADDR", "http://other:1")
    monkeypatch.setenv("http_proxy", "http://proxy:1")
    fresh, known = nomad.connect("http://nomad:4646"), nomad.connect("http://nomad:4646", "ours")
    agent, bao = consul.connect("http://consul:8500", ""), openbao.connect("http://bao:8200")
    sessions = [fresh.session, known.session, agent.http.session, bao.session]
    servers = [StandIn(sessions[0]), StandIn(sessions[1]), Consul(sessions[2]), Bao(sessions[3])]

    nomad.bootstrap(fresh, "chosen")
    known.jobs.get_jobs()
    agent.acl.token.list()
    bao.sys.list_auth_methods()

    seen = [(str(request.url), dict(request.headers)) for server in servers for request in server.requests]
    assert [urlsplit(url).hostname for url, _ in seen] == ["nomad", "nomad", "consul", "bao"]
    assert "inherited" not in str(seen)
    assert not any(session.trust_env for session in sessions)  # no proxy, no .netrc


def test_jobspec_is_parsed_with_the_files_variables_and_more(nomads: tuple[Any, StandIn], tmp_path: Path) -> None:
    (tmp_path / "gpu.nomad.hcl").write_text('job "gpu" {}')
    (tmp_path / "dev.hcl").write_text('driver = "raw_exec"\n')
    nomads[1].answers["jobs/parse"] = 200, {"ID": "gpu"}
    values: dict[str, str | int | bool] = {"port": 8090, "tls": True, "tag": 'a"b\\c${d}'}

    job = nomad.parse(nomads[0], tmp_path / "gpu.nomad.hcl", tmp_path / "dev.hcl", values)

    assert job == {"ID": "gpu"}
    body = nomads[1].calls[0][2]
    assert (body["JobHCL"], body["Canonicalize"]) == ('job "gpu" {}', True)
    assert body["Variables"].split("\n") == [
        'driver = "raw_exec"',
        "",
        "port = 8090",
        "tls = true",
        r'tag = "a\"b\\c$${d}"',
        "",
    ]


def test_jobspec_that_is_wrong_is_told_with_its_file(nomads: tuple[Any, StandIn], tmp_path: Path) -> None:
    for name in ("gpu.nomad.hcl", "dev.hcl"):
        (tmp_path / name).touch()
    nomads[1].answers["jobs/parse"] = 400, "input.hcl:1,1-4: Unsupported attribute"

    with pytest.raises(StartupError, match=r"gpu\.nomad\.hcl: input\.hcl:1,1-4: Unsupported attribute$"):
        nomad.parse(nomads[0], tmp_path / "gpu.nomad.hcl", tmp_path / "dev.hcl", {})


def test_missing_job_is_a_state(nomads: tuple[Any, StandIn]) -> None:
    nomads[1].answers["job/gpu"] = 404, "job not found"

    assert nomad.job_state(nomads[0], "gpu") == ("missing", 0)


def test_job_counts_what_runs(nomads: tuple[Any, StandIn]) -> None:
    nomads[1].answers["job/gpu"] = 200, {"Status": "running"}
    nomads[1].answers["job/gpu/allocations"] = 200, [{"ClientStatus": "running"}, {"ClientStatus": "failed"}]

    assert nomad.job_state(nomads[0], "gpu") == ("running", 1)


def test_failures_of_a_job_are_told_in_nomads_words(nomads: tuple[Any, StandIn]) -> None:
    nomads[1].answers["job/gpu/evaluations"] = (
        200,
        [
            {"FailedTGAllocs": None},
            {"FailedTGAllocs": {"gpu": {"ConstraintFiltered": None, "DimensionExhausted": {"memory": 1}}}},
            {"FailedTGAllocs": {"gpu": {}}},
        ],
    )
    event = {"DisplayMessage": "Exit Code: 1"}
    nomads[1].answers["job/gpu/allocations"] = (
        200,
        [
            {"TaskStates": None},
            {"TaskStates": {"gpu": {"State": "dead", "Events": [{"DisplayMessage": "Started"}, event]}}},
            {"TaskStates": {"gpu": {"State": "running", "Events": [event]}}},
        ],
    )

    assert nomad.failures(nomads[0], "gpu") == [
        "no place for gpu: memory",
        "no place for gpu: no node",
        "gpu/gpu: Exit Code: 1",
    ]


@pytest.mark.parametrize(
    ("attributes", "is_ready"),
    [
        ({"consul.grpc": "8502", "vault.version": "2.7.2"}, True),
        ({"consul.grpc": "-1", "vault.version": "2.7.2"}, False),
        ({"consul.grpc": "8502"}, False),
        ({}, False),
    ],
)
def test_node_is_ready_once_it_has_found_consul_and_openbao(
    nomads: tuple[Any, StandIn], attributes: dict[str, str], is_ready: bool
) -> None:
    nomads[1].answers["nodes"] = 200, [{"ID": "n", "Status": "ready", "SchedulingEligibility": "eligible"}]
    nomads[1].answers["node/n"] = 200, {"Attributes": attributes}

    assert nomad.is_node_ready(nomads[0]) is is_ready


def test_every_job_is_stopped_without_its_wait(nomads: tuple[Any, StandIn]) -> None:
    nomads[1].answers["jobs"] = 200, [{"ID": "gpu"}, {"ID": "gateway"}]

    assert nomad.stop_all(nomads[0]) == ["gpu", "gateway"]
    assert all(
        parse_qs(urlsplit(str(request.url)).query)["no_shutdown_delay"] == ["true"]
        for request in nomads[1].requests
        if request.method == "DELETE"
    )


@pytest.mark.parametrize(
    ("module", "ask", "words"),
    [
        (openbao, openbao.connect("http://bao").sys.list_auth_methods, "OpenBao, making a token: "),
        (consul, consul.connect("http://consul", "").acl.token.list, "Consul, making a token: "),
        (nomad, nomad.connect("http://nomad").jobs.get_jobs, "Nomad, making a token: "),
    ],
    ids=["openbao", "consul", "nomad"],
)
def test_server_that_cannot_be_reached_is_told_by_its_name(
    monkeypatch: pytest.MonkeyPatch, module: Any, ask: Callable[[], Any], words: str
) -> None:
    def refuse(*args: Any, **options: Any) -> None:
        raise requests.ConnectionError("connection refused")

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", refuse)

    with pytest.raises(module.Failures) as caught:
        ask()

    told = str(module.explain(caught.value, "making a token"))
    assert told.startswith(words)
    assert "connection refused" in told
    assert told.endswith("`just stop` and `just dev` start anew")
