"""What the images must agree on with the code, the locked requirements and the Nomad jobs. Nothing is built."""

from __future__ import annotations

import itertools
import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SERVICES = sorted(path.parent.name for path in (ROOT / "services").glob("*/__main__.py"))
PARTS = ["gateway", *SERVICES]
MODELS = ["embedding", "reranking"]
WITH_TORCH = ["documents", *MODELS]
"""Parts that have images with torch in them."""
OPTIONAL = "${TORCH:+-torch}"
HEAVY = {"docling", "docling-slim", "numpy", "nvidia-ml-py", "sentence-transformers", "torch", "transformers"}
SHELL_TOOLS = ["sh", "basename", "dirname", "paste"]
RECORDER = '#!/bin/sh\nprintf "%s\\n" "$0" "$@" >>"$RECORD"\n'


def instructions(part: str) -> list[tuple[str, str]]:
    """Instructions of a Containerfile with their arguments; lines that go on are joined."""
    text = (ROOT / f"containers/{part}.Containerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(word, " ".join(rest.split())) for word, _, rest in (line.partition(" ") for line in lines)]


def stages(part: str) -> list[list[tuple[str, str]]]:
    found: list[list[tuple[str, str]]] = []
    for word, rest in instructions(part):
        if word == "FROM":
            found.append([])
        if found:
            found[-1].append((word, rest))
    return found


def of(stage: list[tuple[str, str]], word: str) -> list[str]:
    return [rest for name, rest in stage if name == word]


def steps_to_packages(part: str) -> list[tuple[str, str]]:
    """What both stages do until they hold the locked packages."""
    builder, final = stages(part)
    installed = [word for word, _ in builder].index("RUN")
    brought = [word for word, _ in final].index("COPY")
    lock = f"requirements/{part}.txt"
    steps = [(word, rest.replace(OPTIONAL, "").replace(lock, "")) for word, rest in builder[: installed + 1]]
    return [step for step in steps if step != ("ARG", "TORCH=")] + final[: brought + 1]


def copied(stage: list[tuple[str, str]], *, torch: str = "") -> set[str]:
    """What a stage copies; with torch when the argument TORCH is not empty."""
    sources = {source for rest in of(stage, "COPY") for source in rest.split()[:-1]}
    return {source.replace(OPTIONAL, torch and "-torch") for source in sources}


def job(part: str) -> str:
    return (ROOT / f"nomad/jobs/{part}.nomad.hcl").read_text(encoding="utf-8")


def image_of_job(part: str, *, images: str, tag: str) -> str:
    """The image that a job runs under these variables."""
    names = re.findall(r'^ *image += "(.+)"$', job(part), re.MULTILINE)
    assert len(names) == 1
    return str(names[0]).replace("${var.images}", images).replace("${var.tag}", tag)


def default(part: str, variable: str) -> str:
    found = re.search(rf'variable "{variable}" {{.*?default += "(.+?)"', job(part), re.DOTALL)
    assert found
    return found[1]


def build(tmp_path: Path, *arguments: str, builders: tuple[str, ...] = ("buildah",)) -> tuple[str, list[str], int]:
    """Run `just images` with builders that only note what they are told; returns stderr, the notes and the status."""
    for name in builders:
        (tmp_path / name).write_text(RECORDER, encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    for name in SHELL_TOOLS:
        (tmp_path / name).symlink_to(str(shutil.which(name)))
    record = tmp_path / "record"
    record.touch()
    done = subprocess.run(
        [str(ROOT / "tools/images.sh"), *arguments],
        env={"PATH": str(tmp_path), "RECORD": str(record)},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    return done.stderr, record.read_text(encoding="utf-8").splitlines(), done.returncode


def tags(noted: list[str]) -> list[str]:
    return [value for option, value in itertools.pairwise(noted) if option == "--tag"]


def test_every_part_has_a_containerfile_and_nothing_else_has() -> None:
    found = {path.name.removesuffix(".Containerfile") for path in (ROOT / "containers").glob("*.Containerfile")}

    assert found == set(PARTS)


@pytest.mark.parametrize("part", PARTS)
def test_an_image_starts_what_the_job_starts_from_the_checkout(part: str) -> None:
    arguments = re.search(r'command = "\${meta.isolane_python}"\n *args +=(.+)', job(part))
    assert arguments

    entry_points = of(stages(part)[-1], "ENTRYPOINT")

    assert [json.loads(entry) for entry in entry_points] == [["python", *json.loads(arguments[1])]]


@pytest.mark.parametrize("part", PARTS)
def test_an_image_runs_as_a_user_without_rights_and_ends_on_the_signal_that_nomad_sends(part: str) -> None:
    final = stages(part)[-1]

    users = of(final, "USER")

    assert len(users) == 1
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", users[0]), "numbers: a name could be root's, which only the image knows"
    assert of(final, "STOPSIGNAL") == re.findall(r'kill_signal +=.*"(.+)"', job(part))


def test_all_images_run_as_the_same_user() -> None:
    users = {user for part in PARTS for user in of(stages(part)[-1], "USER")}

    assert len(users) == 1


@pytest.mark.parametrize("part", PARTS)
def test_an_image_holds_the_locked_requirements_of_its_part_and_no_others(part: str) -> None:
    builder = stages(part)[0]

    locks = {source for source in copied(builder) if source.startswith("requirements/")}

    assert locks == {"requirements/build.txt", f"requirements/{part}.txt"}
    assert of(builder, "COPY")[2].replace(OPTIONAL, "") == f"requirements/{part}.txt requirements/part.txt"
    assert of(builder, "RUN")[0].endswith("containers/install.sh requirements requirements/part.txt")
    assert "--require-hashes" in (ROOT / "containers/install.sh").read_text(encoding="utf-8")


@pytest.mark.parametrize("part", PARTS)
def test_a_build_with_torch_takes_the_requirements_that_have_it_and_no_other_part_knows_it(part: str) -> None:
    builder = stages(part)[0]

    locks = copied(builder, torch="true") & {f"requirements/{part}.txt", f"requirements/{part}-torch.txt"}

    assert locks == {f"requirements/{part}-torch.txt" if part in WITH_TORCH else f"requirements/{part}.txt"}
    assert of(builder, "ARG") == (["TORCH="] if part in WITH_TORCH else [])


def test_all_images_are_made_by_the_same_steps() -> None:
    found = {tuple(steps_to_packages(part)) for part in PARTS}

    assert len(found) == 1


@pytest.mark.parametrize("part", PARTS)
def test_an_image_holds_the_code_of_its_part_and_what_that_may_import(part: str) -> None:
    folder = part if part == "gateway" else f"services/{part}"
    core = {"services/models"} if part in MODELS else set()

    code = {source for source in copied(stages(part)[0]) if source.split("/")[0] in {"gateway", "ops", "services"}}

    assert code == {"services/__init__.py", "services/common", *core, folder}


@pytest.mark.parametrize("part", PARTS)
def test_nothing_but_the_environment_leaves_the_builder_stage(part: str) -> None:
    final = stages(part)[-1]

    assert of(final, "COPY") == [
        "--from=builder /opt/isolane /opt/isolane",
        "--from=builder /opt/project /opt/isolane",
    ]


@pytest.mark.parametrize("part", PARTS)
def test_what_a_containerfile_copies_is_there_and_in_the_build_context(part: str) -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()

    sources = copied(stages(part)[0])

    assert [source for source in sources if not (ROOT / source).exists()] == []
    assert [source for source in sources if f"!{source.split('/')[0]}" not in ignored] == []
    assert "*" in ignored


@pytest.mark.parametrize("part", PARTS)
def test_an_image_is_labelled_with_its_name_and_the_version_that_it_was_built_as(part: str) -> None:
    labels = " ".join(of(stages(part)[-1], "LABEL"))

    assert f'org.opencontainers.image.title="isolane-{part}"' in labels
    assert 'org.opencontainers.image.version="${VERSION}"' in labels


def test_what_the_code_beside_models_needs_is_left_out_by_the_names_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    without_needs = {one["name"] for one in project["tool"]["uv"]["dependency-metadata"] if not one["requires-dist"]}

    named = re.findall(r"^models_only='(.+)'$", (ROOT / "containers/install.sh").read_text(encoding="utf-8"), re.M)

    assert [set(names.split("|")) for names in named] == [without_needs]


def test_the_gateway_has_no_heavy_library_among_its_requirements() -> None:
    text = (ROOT / "requirements/gateway.txt").read_text(encoding="utf-8")

    names = set(re.findall(r"^([a-z0-9._-]+)==", text, re.MULTILINE))

    assert "litestar" in names
    assert names & HEAVY == set()


def test_images_have_the_names_that_the_jobs_run_by_default(tmp_path: Path) -> None:
    wanted = {image_of_job(part, images=default(part, "images"), tag=default(part, "tag")) for part in PARTS}

    error, noted, status = build(tmp_path, "--tag", "dev")

    assert status == 0, error
    assert set(tags(noted)) == wanted
    assert len(tags(noted)) == len(PARTS)


def test_images_of_a_release_have_the_names_that_production_runs(tmp_path: Path) -> None:
    images = "registry.example/isolane"

    error, noted, status = build(tmp_path, "--images", images, "--tag", "1.0.0", "gpu", "gateway", "--", "--pull")

    assert status == 0, error
    assert tags(noted) == [image_of_job(part, images=images, tag="1.0.0") for part in ("gpu", "gateway")]
    assert noted.count("--pull") == 2
    assert "VERSION=1.0.0" in noted


@pytest.mark.parametrize("builders", [("docker", "podman", "buildah"), ("docker", "podman"), ("docker",)])
def test_the_builder_that_needs_the_least_builds(tmp_path: Path, builders: tuple[str, ...]) -> None:
    error, noted, status = build(tmp_path, "--tag", "dev", "gpu", builders=builders)

    assert status == 0, error
    assert noted[:2] == [str(tmp_path / builders[-1]), "build"]


@pytest.mark.parametrize(
    ("arguments", "builders", "problem"),
    [
        (["--tag", "dev"], (), "images: no builder on PATH; install buildah, podman or docker"),
        (["--tag", "dev", "ops"], ("buildah",), f"images: no part ops; the parts are {' '.join(sorted(PARTS))}"),
        (["--tag"], ("buildah",), "images: --tag needs a value"),
        (["--pull"], ("buildah",), "images: unknown option --pull; options of the builder come after --"),
        (["gpu"], ("buildah",), "images: git names no version; name one with --tag"),
    ],
)
def test_what_cannot_be_built_is_one_line_that_says_what_to_do(
    tmp_path: Path, arguments: list[str], builders: tuple[str, ...], problem: str
) -> None:
    error, noted, status = build(tmp_path, *arguments, builders=builders)

    assert status == 1
    assert error.splitlines()[-1].startswith(problem)
    assert noted == []
