"""The checklist for a new service, made executable: what each folder of `services/` must have beside it."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SERVICES = sorted(path.parent.name for path in (ROOT / "services").glob("*/__main__.py"))
"""A folder is a service when it can be started."""
PARTS = ["gateway", *SERVICES]

CHECKLIST = {
    "package": ["services/{name}/__init__.py"],
    "composition root": ["services/{name}/app.py"],
    "settings": ["services/{name}/settings.py"],
    "gRPC face": ["services/{name}/servicer.py"],
    "engine": ["services/{name}/engine.py"],
    "port": ["services/{name}/backends/base.py", "services/{name}/devices/base.py"],
    "fake": ["services/{name}/backends/fake.py", "services/{name}/devices/fake.py"],
    "contract": ["proto/isolane/{name}/v1/{name}_service.proto"],
    "message stubs": ["proto/gen/isolane/{name}/v1/{name}_service_pb2.py"],
    "service stubs": ["proto/gen/isolane/{name}/v1/{name}_service_pb2_grpc.py"],
    "docs page": ["docs/services/{name}.md"],
    "locked requirements": ["requirements/{name}.txt"],
    "unit tests": ["tests/unit/{name}/test_*.py"],
    "integration tests": ["tests/integration/{name}/test_*.py"],
    "job": ["nomad/jobs/{name}.nomad.hcl"],
    "service-defaults": ["consul/defaults/{name}.hcl"],
    "service-resolver": ["consul/resolvers/{name}.hcl"],
    "intentions": ["consul/intentions/{name}.hcl"],
    "secrets policy": ["vault/policies/{name}.hcl"],
}
"""What a service has: any one of the files (or patterns) named."""

HEAVY = ["docling", "nncf", "openvino", "pynvml", "sentence_transformers", "torch", "transformers"]
"""Modules that may be imported only when a real backend is loaded."""

KIT_METRICS = {
    "isolane_breaker_opened_total",
    "isolane_reloads_total",
    "isolane_resolver_age_seconds",
    "isolane_resolver_failures_total",
    "isolane_rpc_client_refused_early_total",
    "isolane_rpc_client_in_flight",
    "isolane_rpc_client_members",
    "isolane_rpc_client_retries_total",
    "isolane_rpc_client_seconds",
    "isolane_rpc_server_seconds",
    "isolane_upstream_instances",
}

MAY_READ_ENVIRONMENT = {"services/common/config.py", "services/models/settings.py"}
"""Files outside `ops` that may."""


def project() -> dict[str, object]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def part_folder(part: str) -> str:
    return part if part == "gateway" else f"services/{part}"


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", SERVICES)
@pytest.mark.parametrize("what", CHECKLIST)
def test_every_service_has_what_the_checklist_names(name: str, what: str) -> None:
    patterns = [pattern.format(name=name) for pattern in CHECKLIST[what]]

    found = [path for pattern in patterns for path in ROOT.glob(pattern)]

    assert found, f"{name} has no {what}: add {' or '.join(patterns)} (docs/how-to/add-a-service.md)"


def test_every_contract_and_every_page_belongs_to_a_service() -> None:
    contracts = {path.name for path in (ROOT / "proto" / "isolane").iterdir() if path.is_dir()}
    pages = {path.stem for path in (ROOT / "docs" / "services").glob("*.md")}

    assert contracts - {"common"} == set(SERVICES)
    assert pages == set(PARTS)


@pytest.mark.parametrize("name", SERVICES)
def test_package_service_and_folder_of_a_contract_share_one_name(name: str) -> None:
    text = (ROOT / f"proto/isolane/{name}/v1/{name}_service.proto").read_text(encoding="utf-8")

    assert f"package isolane.{name}.v1;" in text
    assert f"service {name.capitalize()}Service {{" in text


@pytest.mark.parametrize("part", PARTS)
def test_every_part_has_an_extra_of_its_name(part: str) -> None:
    extras = project()["project"]["optional-dependencies"]  # type: ignore[index]

    assert part in extras, f"pyproject.toml: add the extra {part!r}"


@pytest.mark.parametrize("name", SERVICES)
def test_no_other_part_may_import_a_service(name: str) -> None:
    contracts = project()["tool"]["importlinter"]["contracts"]  # type: ignore[index]
    protected = next(contract["protected_modules"] for contract in contracts if contract["id"] == "parts")

    assert f"services.{name}" in protected, f"pyproject.toml: add services.{name} to the import contract 'parts'"


@pytest.mark.parametrize("part", PARTS)
def test_settings_carry_the_name_of_their_part(part: str) -> None:
    module = f"{part_folder(part)}/settings".replace("/", ".")
    done = python(
        f"import {module} as m\n"
        "print(*{v.service for v in vars(m).values() if isinstance(v, type) and v.__module__ == m.__name__"
        " and hasattr(v, 'service')})"
    )

    assert (done.stdout.strip(), done.stderr) == (part, "")


@pytest.mark.parametrize("part", PARTS)
def test_metrics_of_a_part_begin_with_its_name(part: str) -> None:
    done = subprocess.run(
        [sys.executable, "tools/metrics.py", part], cwd=ROOT, capture_output=True, text=True, check=False
    )

    names = {line.split("\t")[0] for line in done.stdout.splitlines()} - KIT_METRICS

    assert names, f"{part} has no metric of its own; name it isolane_{part}_…\n{done.stderr}"
    assert {name for name in names if not name.startswith(f"isolane_{part}_")} == set()


@pytest.mark.parametrize("module", ["gateway.app", "ops.cli", *(f"services.{name}.app" for name in SERVICES)])
def test_composition_roots_import_without_heavy_libraries(module: str) -> None:
    blocked = [*HEAVY, "numpy"] if module == "gateway.app" else HEAVY

    done = python(f"import sys\nsys.modules.update(dict.fromkeys({blocked}))\nimport {module}")

    assert done.returncode == 0, done.stderr


IMPORT_ALL = """
import importlib, pkgutil, sys
sys.modules.update(dict.fromkeys({heavy}))
for root in ("gateway", "services"):
    for module in pkgutil.walk_packages(importlib.import_module(root).__path__, root + "."):
        try:
            importlib.import_module(module.name)
        except ModuleNotFoundError:
            assert {{"backends", "devices"}} & set(module.name.split(".")), module.name
        else:
            print(module.name)
from prometheus_client import REGISTRY
print(*(family.name for family in REGISTRY.collect() if family.name.startswith("isolane_")), file=sys.stderr)
"""


def test_stubs_are_read_where_they_are_generated() -> None:
    # A copy in the environment would be older than the next change of a contract.
    found = python("import isolane.common.v1.joint_pb2 as stub; print(stub.__file__)").stdout
    assert Path(found.strip()).is_relative_to(ROOT / "proto" / "gen")


def test_an_import_makes_no_metric() -> None:
    done = python(IMPORT_ALL.format(heavy=HEAVY))

    assert (done.returncode, done.stderr.strip()) == (0, "")
    assert {"gateway.server", "services.common.lifecycle", "services.documents.backends.pool"} < set(
        done.stdout.split()
    )


def test_only_settings_read_the_environment() -> None:
    readers = {
        str(path.relative_to(ROOT))
        for folder in ("gateway", "services")
        for path in sorted((ROOT / folder).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in {"environ", "environb", "getenv"}
    }

    assert readers <= MAY_READ_ENVIRONMENT, f"make it a setting: {sorted(readers - MAY_READ_ENVIRONMENT)}"
