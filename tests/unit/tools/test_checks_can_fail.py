"""Each rule of the repository turns its check red: a break of it is planted into a copy of the tree."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
TREE = (
    *("consul", "docs", "gateway", "nomad", "ops", "proto", "requirements", "services", "tests", "tools", "vault"),
    *("justfile", "pyproject.toml"),
)
LINT = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache", "--no-logo"]
LAYOUT = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/contract/test_layout.py"]
MESH_LAYOUT = [*LAYOUT[:-1], "tests/contract/test_mesh_layout.py"]

FORBIDDEN_IMPORTS = {
    "parts": ("services/embedding/engine.py", "services.reranking.engine"),
    "protos": ("services/embedding/engine.py", "isolane.embedding.v1.embedding_service_pb2"),
    "torch": ("services/embedding/engine.py", "torch"),
    "openvino": ("services/embedding/engine.py", "openvino"),
    "heron": ("services/documents/backends/pool.py", "services.documents.backends.engines.heron"),
    "page-models": ("services/documents/backends/worker.py", "onnxruntime"),
    "docling": ("gateway/app.py", "docling.document_converter"),
    "nvml": ("services/gpu/engine.py", "pynvml"),
    "models-backends": ("services/embedding/engine.py", "services.models.backends.torch.device"),
    "testing": ("services/embedding/engine.py", "services.common.testing"),
    "light": ("services/models/models.py", "torch"),
    "gateway": ("gateway/settings.py", "gateway.app"),
    "services": ("services/embedding/settings.py", "services.embedding.engine"),
    "ops": ("ops/settings.py", "ops.cli"),
    "rooms": ("services/common/deadline.py", "services.models.models"),
    "no-models": ("gateway/settings.py", "services.models.models"),
    "models": ("services/models/models.py", "services.models.settings"),
    "kit": ("services/common/errors.py", "services.common.config"),
    "cycles": ("services/embedding/backends/base.py", "services.embedding.backends.fake"),
}
"""Import contract: file in which the import is planted, module that it imports."""


pytestmark = pytest.mark.timeout(300)  # a check is a process of its own, or many
BUILDS = pytest.mark.timeout(1800)  # where `just check` never ran, Nomad is built first


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the source tree."""
    for name in TREE:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, tmp_path / name)
    return tmp_path


def run(tree: Path, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run a check on the copy, which must win over the installed project."""
    environment = {**os.environ, "PYTHONPATH": f"{tree}{os.pathsep}{tree / 'proto' / 'gen'}", "COLUMNS": "200"}
    return subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)


def append(path: Path, line: str) -> None:
    path.write_text(path.read_text(encoding="utf-8") + line + "\n", encoding="utf-8")


@pytest.mark.parametrize(
    "command",
    [
        LINT,
        [sys.executable, "tools/protos.py", "--check"],
        [sys.executable, "tools/configuration.py", "--check"],
        pytest.param([sys.executable, "tools/hcl.py", "--check"], marks=BUILDS),
        [sys.executable, *LAYOUT],
        [sys.executable, *MESH_LAYOUT],
    ],
    ids=["imports", "stubs", "configuration", "hcl", "layout", "mesh layout"],
)
def test_an_untouched_copy_passes(tree: Path, command: Sequence[str]) -> None:
    done = run(tree, command)

    assert done.returncode == 0, done.stdout + done.stderr


def test_every_import_contract_is_tried() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]

    assert {contract["id"] for contract in contracts} == set(FORBIDDEN_IMPORTS)


@pytest.mark.parametrize("contract", FORBIDDEN_IMPORTS)
def test_a_forbidden_import_breaks_its_contract(tree: Path, contract: str) -> None:
    file, module = FORBIDDEN_IMPORTS[contract]
    append(tree / file, f"import {module}")

    done = run(tree, [*LINT, "--contract", contract])

    assert done.returncode == 1, done.stdout
    assert "1 broken" in done.stdout


def test_a_stale_stub_is_reported(tree: Path) -> None:
    append(tree / "proto/gen/isolane/gpu/v1/gpu_service_pb2.py", "# edited by hand")

    done = run(tree, [sys.executable, "tools/protos.py", "--check"])

    assert done.returncode == 1
    assert "differs: isolane/gpu/v1/gpu_service_pb2.py" in done.stderr


def test_a_stale_configuration_page_is_reported(tree: Path) -> None:
    append(tree / "docs/configuration.md", "A line by hand.")

    done = run(tree, [sys.executable, "tools/configuration.py", "--check"])

    assert done.returncode == 1
    assert "docs/configuration.md is out of sync" in done.stderr


@BUILDS
@pytest.mark.parametrize(
    ("file", "line", "problem"),
    [
        ("consul/mesh.hcl", "Unaligned    = true", "consul/mesh.hcl: not formatted; run `just lint`"),
        ("vault/policies/gpu.hcl", "path = = 1", "vault/policies/gpu.hcl:5: Invalid expression"),
        ("nomad/vars/dev.hcl", "colour = 1", 'Undefined variable; A "colour" variable was set'),
        ("nomad/jobs/gpu.nomad.hcl", 'job "again" {}', "nomad/jobs/gpu.nomad.hcl with nomad/vars/dev.hcl: "),
    ],
)
def test_wrong_hcl_is_reported(tree: Path, file: str, line: str, problem: str) -> None:
    append(tree / file, line)

    done = run(tree, [sys.executable, "tools/hcl.py", "--check"])

    assert done.returncode == 1
    assert problem in done.stderr


@BUILDS
def test_a_task_that_does_not_fit_its_driver_is_reported(tree: Path) -> None:
    job = tree / "nomad/jobs/gpu.nomad.hcl"
    job.write_text(job.read_text(encoding="utf-8").replace("image  ", "command"), encoding="utf-8")

    done = run(tree, [sys.executable, "tools/hcl.py", "--check"])

    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "nomad/jobs/gpu.nomad.hcl with nomad/vars/production.hcl: task gpu has command where docker takes image; "
        "correct its config"
    ]


@pytest.mark.parametrize(
    "missing",
    [
        "docs/services/embedding.md",
        "services/embedding/backends/fake.py",
        "requirements/gpu.txt",
        "nomad/jobs/gpu.nomad.hcl",
        "consul/intentions/gpu.hcl",
    ],
)
def test_a_missing_file_of_a_service_is_reported(tree: Path, missing: str) -> None:
    (tree / missing).unlink()

    done = run(tree, [sys.executable, *LAYOUT, "-k", "checklist"])

    assert done.returncode == 1
    assert f"add {missing}" in done.stdout or f"or {missing}" in done.stdout


MESH_BREAKS = {
    "ports_of_a_service_are_those_of_its_settings[gpu]": ("nomad/jobs/gpu.nomad.hcl", "50054", "50064"),
    "ports_of_the_gateway_are_those_of_its_settings": ("nomad/jobs/gateway.nomad.hcl", "= 8080", "= 8081"),
    "the_gateways_sidecar_listens_where_the_gateway_calls": ("nomad/jobs/gateway.nomad.hcl", "= 50053", "= 50055"),
    "a_service_binds_only_loopback_and_none_of_its_ports_is_mapped[gpu]": (
        "nomad/jobs/gpu.nomad.hcl",
        '"127.0.0.1"',
        '"0.0.0.0"',
    ),
    "the_gateway_is_published_on_loopback_unless_a_variable_says_otherwise": (
        "nomad/jobs/gateway.nomad.hcl",
        '"loopback"',
        '"default"',
    ),
    "an_intention_names_the_methods_that_the_gateway_calls_and_no_others[embedding]": (
        "consul/intentions/embedding.hcl",
        "Service/Embed",
        "Service/Tokenize",
    ),
    "an_intention_allows_only_the_gateway_and_only_single_methods[reranking]": (
        "consul/intentions/reranking.hcl",
        '"gateway"',
        '"*"',
    ),
    "the_gateway_may_ask_consul_for_every_service[gpu]": (
        "consul/policies/gateway.hcl",
        '"gpu-sidecar-proxy"',
        '"other"',
    ),
    "the_check_of_a_service_asks_for_the_service_of_its_contract[gpu]": (
        "nomad/jobs/gpu.nomad.hcl",
        "GpuService",
        "Gpu",
    ),
    "an_update_of_a_job_is_gradual_and_goes_back_when_it_fails[gpu]": (
        "nomad/jobs/gpu.nomad.hcl",
        "auto_revert       = true",
        "auto_revert       = false",
    ),
    "a_task_may_finish_what_it_does_before_it_is_killed[gpu]": ("nomad/jobs/gpu.nomad.hcl", '"45s"', '"30s"'),
    "a_task_gets_its_secrets_as_files_that_it_reads_anew_and_no_token[gpu]": (
        "nomad/jobs/gpu.nomad.hcl",
        '"SIGHUP"',
        '"SIGINT"',
    ),
    "sidecars_wait_longer_than_any_deadline_that_the_gateway_allows[documents]": (
        "consul/resolvers/documents.hcl",
        '"610s"',
        '"600s"',
    ),
    "sidecars_wait_longer_than_any_deadline_that_the_gateway_allows[embedding]": (
        "consul/defaults/embedding.hcl",
        "310000",
        "300000",
    ),
    "services_allow_the_time_that_the_gateway_lets_callers_ask_for[documents]": (
        "services/documents/settings.py",
        "max_deadline_s: float = Field(default=600.0",
        "max_deadline_s: float = Field(default=120.0",
    ),
    "job_group_task_service_and_vault_role_carry_the_name_of_their_part[reranking]": (
        "nomad/jobs/reranking.nomad.hcl",
        'group "reranking"',
        'group "rerank"',
    ),
    "entries_and_policies_carry_the_name_of_their_part[gpu]": ("vault/policies/gpu.hcl", "isolane/gpu", "isolane/+"),
    "task_runs_the_module_and_the_image_of_its_part[gpu]": ("nomad/jobs/gpu.nomad.hcl", "}-gpu:", "}-embedding:"),
    "a_task_that_keeps_failing_is_replaced_in_production_and_kept_in_development[documents]": (
        "nomad/jobs/documents.nomad.hcl",
        "mode = var.restart_mode",
        'mode = "delay"',
    ),
    "a_sidecar_that_keeps_failing_is_replaced[gpu]": (
        "nomad/jobs/gpu.nomad.hcl",
        'mode             = "fail"',
        'mode             = "delay"',
    ),
    "restarts_of_a_task_that_never_becomes_healthy_reach_the_bound_within_its_interval[gateway]": (
        "nomad/jobs/gateway.nomad.hcl",
        "interval         = var.restart_interval",
        'interval         = "5m"',
    ),
    "a_slow_start_can_be_given_more_time_without_a_change_of_the_job[embedding]": (
        "nomad/jobs/embedding.nomad.hcl",
        "grace = var.check_grace",
        'grace = "180s"',
    ),
    "a_new_token_of_the_vault_restarts_no_task[documents]": (
        "nomad/jobs/documents.nomad.hcl",
        '"noop"',
        '"restart"',
    ),
    "a_job_names_the_number_type_of_models_that_name_none_whatever_processor_an_instance_gets[reranking]": (
        "nomad/jobs/reranking.nomad.hcl",
        "{ dtype = var.dtype }",
        "{}",
    ),
    "identities_are_meant_for_whom_the_bootstrap_lets_in": (
        "nomad/jobs/gateway.nomad.hcl",
        '"nomad-workloads"',
        '"workloads"',
    ),
    "folders_that_are_import_names_hold_no_python": ("nomad/__init__.py", "", '"""Would win over python-nomad."""'),
    "every_file_belongs_to_a_part": ("vault/policies/other.hcl", "", "# nobody's"),
}
"""Rule of the mesh's files: the file in which it is broken, a text, and what takes its place."""


def test_every_broken_rule_of_the_meshs_files_is_reported(tree: Path) -> None:
    for file, old, new in MESH_BREAKS.values():
        text = (tree / file).read_text(encoding="utf-8") if old else ""
        assert old in text
        (tree / file).write_text(text.replace(old, new) if old else new, encoding="utf-8")

    done = run(tree, [sys.executable, *MESH_LAYOUT])

    failed = set(re.findall(r"^FAILED \S+::test_(\S+)", done.stdout, re.MULTILINE))
    assert failed >= set(MESH_BREAKS)


def test_every_rule_of_the_meshs_files_is_tried() -> None:
    rules = re.findall(r"^def test_(\w+)", (ROOT / MESH_LAYOUT[-1]).read_text(encoding="utf-8"), re.MULTILINE)

    assert {rule.partition("[")[0] for rule in MESH_BREAKS} == set(rules)


def test_a_heavy_import_in_a_composition_root_is_reported(tree: Path) -> None:
    append(tree / "services/embedding/app.py", "import torch")

    done = run(tree, [sys.executable, *LAYOUT, "-k", "heavy and embedding"])

    assert done.returncode == 1
    assert "import of torch halted" in done.stdout


def test_a_broken_link_in_a_page_is_reported(tree: Path) -> None:
    append(tree / "docs/index.md", "[gone](no-such-page.md)")

    done = run(tree, [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/unit/docs", "-k", "links"])

    assert done.returncode == 1
    assert "no-such-page.md" in done.stdout
