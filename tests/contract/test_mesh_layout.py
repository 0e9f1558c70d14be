"""What the files of `nomad/`, `consul/` and `vault/` must agree on with the code and with each other.

They are read as text: `tools/hcl.py --check` proves that they are formatted, so every block ends at
its own indentation.
"""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import pytest

from gateway.settings import GatewaySettings, Upstreams
from ops.bootstrap import consul, openbao
from ops.mesh import jobs
from ops.settings import OpsSettings

ROOT = Path(__file__).resolve().parents[2]
SERVICES = sorted(path.parent.name for path in (ROOT / "services").glob("*/__main__.py"))
PARTS = ["gateway", *SERVICES]
OTHER_VAULT_POLICIES = {"bootstrap", "consul-ca", "metrics", "operator"}
UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def read(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def job(part: str) -> str:
    return read(f"nomad/jobs/{part}.nomad.hcl")


def blocks(text: str, head: str, indent: int | None = None) -> list[str]:
    """The insides of all blocks that begin with `head`, for example `task "gpu"`; or of those with this indentation."""
    spaces = " *" if indent is None else " " * indent
    return [match[2] for match in re.finditer(rf"^({spaces}){head} {{\n(.*?)^\1}}", text, re.MULTILINE | re.DOTALL)]


def block(text: str, head: str, indent: int | None = None) -> str:
    found = blocks(text, head, indent)
    assert len(found) == 1, f"{len(found)} blocks {head}"
    return found[0]


def values(text: str, name: str) -> list[str]:
    """What is assigned to a name, at any depth, without quotes and comments."""
    found = re.findall(rf"^ *{name} += (.+?)(?: +#.*)?$", text, re.MULTILINE)
    return [value.strip('"') for value in found]


def seconds(text: str) -> float:
    number, unit = re.fullmatch(r"(\d+)(ms|s|m|h)", text).groups()  # type: ignore[union-attr]
    return int(number) * UNITS[unit]


def labels(text: str, kind: str) -> list[str]:
    return re.findall(rf'^ *{kind} "(.+?)" {{$', text, re.MULTILINE)


def settings(part: str) -> Any:
    """Default settings of a part, without its environment."""
    module = importlib.import_module("gateway.settings" if part == "gateway" else f"services.{part}.settings")
    return getattr(module, f"{part.capitalize()}Settings").model_construct()


def methods_of_the_intention(name: str) -> set[str]:
    return set(values(read(f"consul/intentions/{name}.hcl"), "PathExact"))


def test_folders_that_are_import_names_hold_no_python() -> None:
    found = [path for folder in ("nomad", "consul", "vault") for path in (ROOT / folder).rglob("*.py*")]

    assert found == []


def test_every_file_belongs_to_a_part() -> None:
    def names(pattern: str) -> set[str]:
        return {path.name.split(".")[0] for path in ROOT.glob(pattern)}

    assert names("nomad/jobs/*") == names("consul/defaults/*") == names("consul/intentions/*") == set(PARTS)
    assert names("consul/resolvers/*") == set(SERVICES)
    assert names("vault/policies/*") == {*PARTS, *OTHER_VAULT_POLICIES}
    assert set(jobs.PARTS) == set(PARTS), "ops/mesh/jobs.py: PARTS"


@pytest.mark.parametrize("part", PARTS)
def test_job_group_task_service_and_vault_role_carry_the_name_of_their_part(part: str) -> None:
    text = job(part)

    assert [labels(text, kind) for kind in ("job", "group", "task")] == [[part], [part], [part]]
    assert values(block(text, "service"), "name")[0] == part
    assert values(block(text, "check"), "task") == [part]
    assert values(block(text, "vault"), "role") == [part]


@pytest.mark.parametrize("part", PARTS)
def test_entries_and_policies_carry_the_name_of_their_part(part: str) -> None:
    folders = ["defaults", "intentions", *(["resolvers"] if part in SERVICES else [])]

    entries = [values(read(f"consul/{folder}/{part}.hcl"), "Name")[0] for folder in folders]
    secrets = [path for path in labels(read(f"vault/policies/{part}.hcl"), "path") if path.startswith("kv/")]

    assert set(entries) == {part}
    assert secrets == [f"kv/data/isolane/{part}"]
    assert f"kv/data/isolane/{part}" in block(job(part), "template")


@pytest.mark.parametrize("part", PARTS)
def test_task_runs_the_module_and_the_image_of_its_part(part: str) -> None:
    task = block(job(part), f'task "{part}"')

    assert f'"-m", "{part if part == "gateway" else f"services.{part}"}"]' in task
    assert values(task, "image") == [f"${{var.images}}-{part}:${{var.tag}}"]


@pytest.mark.parametrize("name", SERVICES)
def test_ports_of_a_service_are_those_of_its_settings(name: str) -> None:
    text, defaults, prefix = job(name), settings(name), f"ISOLANE_{name.upper()}"
    grpc, metrics = str(defaults.port), str(defaults.metrics_port)

    assert values(block(text, "service"), "port")[0] == grpc
    assert values(text, f"{prefix}_PORT") == [grpc]
    assert values(text, f"{prefix}_METRICS_PORT") == [metrics]
    assert values(text, "local_path_port") == [grpc, metrics]


def test_ports_of_the_gateway_are_those_of_its_settings() -> None:
    text, port = job("gateway"), str(settings("gateway").port)

    assert values(block(text, "service"), "port")[0] == port
    assert values(text, "ISOLANE_GATEWAY_PORT") == [port]
    assert values(block(text, 'port "http"'), "to") == [port]
    assert values(block(text, 'variable "port"'), "default") == [str(OpsSettings.model_construct().mesh_gateway_port)]


def test_the_gateways_sidecar_listens_where_the_gateway_calls() -> None:
    upstreams = blocks(job("gateway"), "upstreams")

    listeners = {
        values(one, "destination_name")[0]: (f"127.0.0.1:{values(one, 'local_bind_port')[0]}",) for one in upstreams
    }

    assert listeners == {name: getattr(Upstreams(), name) for name in listeners}
    assert set(listeners) == {name for name in SERVICES if methods_of_the_intention(name)}


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_binds_only_loopback_and_none_of_its_ports_is_mapped(name: str) -> None:
    text = job(name)

    hosts = dict(re.findall(r"^ *(ISOLANE_\w+_HOST) += \"(.+?)\"", text, re.MULTILINE))
    mapped = [values(inside, "to")[0] for label in labels(text, "port") for inside in blocks(text, f'port "{label}"')]

    assert hosts == {f"ISOLANE_{name.upper()}_{kind}": "127.0.0.1" for kind in ("HOST", "METRICS_HOST")}
    assert sorted(mapped) == ["-1", "-1", "9102"]  # the sidecar's: two exposed paths and its own metrics
    assert values(text, "static") == []


def test_the_gateway_is_published_on_loopback_unless_a_variable_says_otherwise() -> None:
    text = job("gateway")

    assert values(block(text, 'port "http"'), "host_network") == ["var.host_network"]
    assert values(block(text, 'variable "host_network"'), "default") == ["loopback"]
    assert all("host_network" not in read(f"nomad/vars/{name}.hcl") for name in ("dev", "production"))


@pytest.mark.parametrize("name", SERVICES)
def test_an_intention_names_the_methods_that_the_gateway_calls_and_no_others(name: str) -> None:
    package = f"/isolane.{name}.v1.{name.capitalize()}Service"
    contract = read(f"proto/isolane/{name}/v1/{name}_service.proto")
    client = ROOT / f"gateway/clients/{name}.py"

    declared = {f"{package}/{method}" for method in re.findall(r"^ *rpc (\w+)\(", contract, re.MULTILINE)}
    called = {f"{package}/{method}" for method in re.findall(r"\bstub\.(\w+)", client.read_text(encoding="utf-8"))}
    allowed = methods_of_the_intention(name)

    assert declared, f"{name}: no method found in its contract"
    assert allowed - declared == set(), "no such method in the contract"
    assert allowed == called, "consul/intentions and gateway/clients differ"


@pytest.mark.parametrize("part", PARTS)
def test_an_intention_allows_only_the_gateway_and_only_single_methods(part: str) -> None:
    text = read(f"consul/intentions/{part}.hcl")

    allowed = values(text, "Action").count("allow")

    assert values(text, "Name")[1:] == (["gateway"] if allowed else ["*"])
    assert len(values(text, "PathExact")) == allowed == values(text, "Methods").count('["POST"]')
    assert allowed or values(text, "Action") == ["deny"]
    assert not re.search(r"PathPrefix|PathRegex", text)


@pytest.mark.parametrize("name", SERVICES)
def test_the_gateway_may_ask_consul_for_every_service(name: str) -> None:
    known = labels(read("consul/policies/gateway.hcl"), "service")

    assert {name, f"{name}-sidecar-proxy"} <= set(known)


@pytest.mark.parametrize("name", SERVICES)
def test_the_check_of_a_service_asks_for_the_service_of_its_contract(name: str) -> None:
    check = block(job(name), "check")

    assert values(check, "type") == ["grpc"]
    assert values(check, "grpc_service") == [f"isolane.{name}.v1.{name.capitalize()}Service"]


@pytest.mark.parametrize("part", PARTS)
def test_an_update_of_a_job_is_gradual_and_goes_back_when_it_fails(part: str) -> None:
    update = block(job(part), "update")

    assert values(update, "auto_revert") == ["true"]
    assert values(update, "max_parallel") == ["1"]
    assert values(update, "min_healthy_time") == ["var.min_healthy_time"]


@pytest.mark.parametrize("part", PARTS)
def test_a_task_may_finish_what_it_does_before_it_is_killed(part: str) -> None:
    text = job(part)
    task, defaults = block(text, f'task "{part}"'), settings(part)

    assert seconds(values(block(text, f'group "{part}"'), "shutdown_delay")[0]) > 0
    assert values(task, "kill_signal") == ["SIGTERM"]
    assert seconds(values(task, "kill_timeout")[0]) > defaults.drain_s + defaults.shutdown_delay_s


@pytest.mark.parametrize("part", PARTS)
def test_a_task_that_keeps_failing_is_replaced_in_production_and_kept_in_development(part: str) -> None:
    task = block(job(part), f'task "{part}"')

    modes = {name: values(read(f"nomad/vars/{name}.hcl"), "restart_mode") for name in ("dev", "production")}

    assert values(block(task, "restart"), "mode") == ["var.restart_mode"]
    assert values(block(job(part), 'variable "restart_mode"'), "default") == ["fail"]
    assert modes == {"dev": ["delay"], "production": ["fail"]}


@pytest.mark.parametrize("part", PARTS)
def test_a_sidecar_that_keeps_failing_is_replaced(part: str) -> None:
    """A sidecar_task has no restart block: it takes the group's, which the part's own task overrides."""
    of_the_group = block(job(part), "restart", indent=4)

    assert values(of_the_group, "mode") == ["fail"]


@pytest.mark.parametrize("part", PARTS)
def test_restarts_of_a_task_that_never_becomes_healthy_reach_the_bound_within_its_interval(part: str) -> None:
    text, pace = job(part), read("nomad/vars/production.hcl")
    restart, check = block(text, "restart", indent=4), block(text, "check")
    grace_s = seconds(values(block(text, 'variable "check_grace"'), "default")[0])
    checks_s = int(values(check, "limit")[0]) * seconds(values(pace, "check_interval")[0])

    one_start_s = grace_s + checks_s + seconds(values(pace, "restart_delay")[0])

    assert values(restart, "interval") == ["var.restart_interval"]
    assert int(values(restart, "attempts")[0]) * one_start_s < seconds(values(pace, "restart_interval")[0])


@pytest.mark.parametrize("part", PARTS)
def test_a_slow_start_can_be_given_more_time_without_a_change_of_the_job(part: str) -> None:
    text = job(part)
    update, check = block(text, "update"), block(text, "check")
    names = ("check_grace", "healthy_deadline", "progress_deadline")

    used = [*values(check, "grace"), *values(update, "healthy_deadline"), *values(update, "progress_deadline")]
    defaults_s = [seconds(values(block(text, f'variable "{name}"'), "default")[0]) for name in names]

    assert used == [f"var.{name}" for name in names]
    assert defaults_s == sorted(defaults_s), "Nomad refuses an update whose deadlines are not in this order"


@pytest.mark.parametrize("part", PARTS)
def test_a_new_token_of_the_vault_restarts_no_task(part: str) -> None:
    vault = block(job(part), "vault")

    assert values(vault, "change_mode") == ["noop"]


@pytest.mark.parametrize("part", PARTS)
def test_a_task_gets_its_secrets_as_files_that_it_reads_anew_and_no_token(part: str) -> None:
    task = block(job(part), f'task "{part}"')
    templates = blocks(task, "template")
    vault = block(task, "vault")

    assert [values(one, "destination")[0] for one in templates] == [f"secrets/settings/isolane_{part}_otlp_headers"]
    assert set(values(task.replace(vault, ""), "change_mode")) == {"signal"}
    assert set(values(task, "change_signal")) == {"SIGHUP"}
    assert set(values(task, "perms")) == {"0400"}
    assert (values(vault, "env"), values(vault, "disable_file")) == (["false"], ["true"])


@pytest.mark.parametrize("name", SERVICES)
def test_sidecars_wait_longer_than_any_deadline_that_the_gateway_allows(name: str) -> None:
    family = getattr(GatewaySettings.model_construct(), name, None)
    longest_s = family.max_timeout_s if family else settings(name).max_deadline_s

    server_ms = values(read(f"consul/defaults/{name}.hcl"), "LocalRequestTimeoutMs")[0]
    caller = values(read(f"consul/resolvers/{name}.hcl"), "RequestTimeout")[0]

    assert int(server_ms) / 1000 > longest_s
    assert seconds(caller) > longest_s


@pytest.mark.parametrize("name", ["documents", "embedding", "reranking"])
def test_services_allow_the_time_that_the_gateway_lets_callers_ask_for(name: str) -> None:
    family = getattr(GatewaySettings.model_construct(), name)

    assert settings(name).max_deadline_s >= family.max_timeout_s


@pytest.mark.parametrize("name", ["embedding", "reranking"])
def test_a_job_names_the_number_type_of_models_that_name_none_whatever_processor_an_instance_gets(name: str) -> None:
    text = job(name)

    models = values(text, f"ISOLANE_{name.upper()}_MODELS")

    assert values(block(text, 'variable "dtype"'), "default") == ["float32"]
    assert models == ["jsonencode([for model in jsondecode(var.models) : merge({ dtype = var.dtype }, model)])"]


def test_identities_are_meant_for_whom_the_bootstrap_lets_in() -> None:
    gateway = job("gateway")

    assert values(gateway, "ISOLANE_GATEWAY_CONSUL__AUTH_METHOD") == [consul.AUTH_METHOD]
    assert values(block(gateway, "identity"), "aud") == [f'["{consul.AUDIENCE}"]']
    assert f'"{openbao.AUDIENCE}"' in block(read("nomad/agent.hcl"), "vault")
    assert f'"{consul.AUDIENCE}"' in block(read("nomad/agent.hcl"), "consul")
