from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

import pytest
from pydantic import BaseModel, Field, SecretStr, ValidationError, field_validator

from services.common.config import ProcessSettings, Settings, metadata_of
from services.common.errors import ConfigInvalid


class Upstream(BaseModel):
    address: str = ""


class TryoutSettings(Settings):
    """Settings of no service."""

    service: ClassVar[str] = "tryout"

    port: int = Field(default=1, ge=0, le=65535)
    """A number."""

    mode: Literal["real", "fake"] = "real"
    """A choice."""

    token: SecretStr = SecretStr("")
    """A secret."""

    models: tuple[str, ...] = ()
    """A list."""

    upstream: Upstream = Upstream()
    """A group."""

    @field_validator("token")
    @classmethod
    def _is_long_enough(cls, token: SecretStr) -> SecretStr:
        if 0 < len(token.get_secret_value()) < 4:
            raise ValueError("at least 4 characters")
        return token


@pytest.fixture
def env(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    return monkeypatch


@pytest.fixture
def file(env: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    path = tmp_path / "tryout.toml"
    env.setenv("ISOLANE_TRYOUT_CONFIG", str(path))
    return path


@pytest.fixture
def secrets(env: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    folder = tmp_path / "secrets"
    folder.mkdir()
    env.setenv("ISOLANE_SECRETS_DIR", str(folder))
    return folder


def problems() -> list[str]:
    with pytest.raises(ConfigInvalid) as caught:
        TryoutSettings.load()
    return list(caught.value.problems)


def test_without_anything_the_defaults_hold(env: pytest.MonkeyPatch) -> None:
    assert TryoutSettings.load().port == 1


def test_secret_files_win_over_the_file_and_the_environment_over_both(
    env: pytest.MonkeyPatch, file: Path, secrets: Path
) -> None:
    file.write_text('port = 2\nmode = "fake"\ntoken = "of the file"\n')
    (secrets / "isolane_tryout_port").write_text("3")
    (secrets / "isolane_tryout_token").write_text("of the folder\n")
    env.setenv("ISOLANE_TRYOUT_PORT", "4")

    settings = TryoutSettings.load()

    assert (settings.port, settings.token.get_secret_value(), settings.mode) == (4, "of the folder", "fake")


def test_a_group_is_set_from_file_and_environment_together(env: pytest.MonkeyPatch, file: Path) -> None:
    file.write_text('[upstream]\naddress = "a:1"\n')
    assert TryoutSettings.load().upstream.address == "a:1"

    env.setenv("ISOLANE_TRYOUT_UPSTREAM__ADDRESS", "b:2")

    assert TryoutSettings.load().upstream.address == "b:2"


def test_every_problem_of_every_source_is_listed_at_once(env: pytest.MonkeyPatch, file: Path) -> None:
    file.write_text('mode = "maybe"\nprot = 1\n')
    env.setenv("ISOLANE_TRYOUT_PORT", "70000")
    env.setenv("ISOLANE_TRYOUT_MODLES", "[]")
    env.setenv("ISOLANE_TRYOUT_TOKEN", "abc")

    text = "\n".join(problems())

    assert len(problems()) == 5
    for name in (
        "ISOLANE_TRYOUT_MODE (mode)",
        "(prot)",
        "ISOLANE_TRYOUT_PORT (port)",
        "MODLES",
        "ISOLANE_TRYOUT_TOKEN",
    ):
        assert name in text


def test_a_variable_that_names_no_setting_is_reported(env: pytest.MonkeyPatch) -> None:
    env.setenv("ISOLANE_TRYOUT_PROT", "1")

    assert problems() == ["ISOLANE_TRYOUT_PROT: no such setting; known ones are in docs/configuration.md"]


def test_another_deployables_variables_are_its_own_business(env: pytest.MonkeyPatch) -> None:
    env.setenv("ISOLANE_OTHER_PROT", "1")

    assert TryoutSettings.load().port == 1


def test_a_key_of_the_file_that_names_no_setting_is_reported(file: Path) -> None:
    file.write_text("prot = 1\n")

    assert [problem.split(":")[0] for problem in problems()] == ["ISOLANE_TRYOUT_PROT (prot)"]


def test_a_missing_file_is_named_beside_other_problems(env: pytest.MonkeyPatch, file: Path) -> None:
    env.setenv("ISOLANE_TRYOUT_PORT", "70000")

    assert f"{file}: no such file" in problems()[0]
    assert "ISOLANE_TRYOUT_PORT" in problems()[1]


def test_a_folder_in_place_of_the_file_is_reported(env: pytest.MonkeyPatch, tmp_path: Path) -> None:
    env.setenv("ISOLANE_TRYOUT_CONFIG", str(tmp_path))

    assert "cannot be read" in problems()[0]


@pytest.mark.parametrize("content", [b"port = ", b'port = 1\n\xff = "x"', b"port = 1\nport = 2"])
def test_a_file_that_is_not_toml_is_reported_beside_other_problems(
    env: pytest.MonkeyPatch, file: Path, content: bytes
) -> None:
    file.write_bytes(content)
    env.setenv("ISOLANE_TRYOUT_PORT", "70000")

    assert len(problems()) == 2
    assert str(file) in problems()[0]


def test_a_secret_file_that_cannot_be_read_is_named_without_its_content(
    env: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "isolane_tryout_port").write_bytes(b"\xff\xfe")
    (tmp_path / "isolane_tryout_name").mkdir()
    (tmp_path / "isolane_other_port").mkdir()
    env.setenv("ISOLANE_SECRETS_DIR", str(tmp_path))

    assert len(problems()) == 2
    assert "isolane_tryout_name: cannot be read (Is a directory)" in problems()[0]
    assert "isolane_tryout_port: cannot be read (not UTF-8)" in problems()[1]


def test_a_missing_secrets_folder_is_reported(env: pytest.MonkeyPatch, tmp_path: Path) -> None:
    env.setenv("ISOLANE_SECRETS_DIR", str(tmp_path / "gone"))

    assert "ISOLANE_SECRETS_DIR" in problems()[0]
    assert "no such folder" in problems()[0]


def test_a_list_that_is_not_json_is_reported_beside_other_problems(env: pytest.MonkeyPatch) -> None:
    env.setenv("ISOLANE_TRYOUT_MODELS", "a, b")
    env.setenv("ISOLANE_TRYOUT_PROT", "1")

    assert ["PROT" in problems()[0], "models" in problems()[1]] == [True, True]


def test_settings_cannot_be_changed() -> None:
    settings = TryoutSettings.load()

    with pytest.raises(ValidationError, match="frozen"):
        settings.port = 2  # type: ignore[misc]  # what the test is about


def test_a_secret_shows_in_no_text_of_the_settings(env: pytest.MonkeyPatch) -> None:
    env.setenv("ISOLANE_TRYOUT_TOKEN", "hunter2hunter2")

    settings = TryoutSettings.load()

    assert "hunter2" not in repr(settings) + str(settings) + settings.model_dump_json()


@pytest.mark.parametrize("name", ["TOKEN", "MODELS", "MODE", "PORT"])
def test_an_error_never_shows_the_value_it_is_about(env: pytest.MonkeyPatch, name: str) -> None:
    env.setenv(f"ISOLANE_TRYOUT_{name}", "pw1")

    with pytest.raises(ConfigInvalid) as caught:
        TryoutSettings.load()

    assert "pw1" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_every_field_is_documented_by_the_text_below_it() -> None:
    assert TryoutSettings.model_fields["port"].description == "A number."


def test_settings_built_directly_read_no_variable_without_their_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "1234")
    monkeypatch.setenv("MODE", "fake")

    settings = TryoutSettings()

    assert (settings.port, settings.mode) == (1, "real")


class HeaderSettings(ProcessSettings):
    """Settings of no service."""

    service: ClassVar[str] = "tryout"


def test_headers_are_metadata_with_names_in_lower_case_and_decoded_values() -> None:
    pairs = metadata_of("Authorization=Bearer%20a%2Cb==, x-tenant = one,\n")

    assert pairs == (("authorization", "Bearer a,b=="), ("x-tenant", "one"))


@pytest.mark.parametrize(
    "wrong", ["hunter2", "=hunter2", "x=", "x y=hunter2", "x-bin=hunter2", "grpc-x=hunter2", "x=hunter2\nb"]
)
def test_wrong_headers_are_named_by_their_place_without_their_text(
    env: pytest.MonkeyPatch, secrets: Path, wrong: str
) -> None:
    (secrets / "isolane_tryout_otlp_headers").write_text(f"a=b,{wrong},c=d\n")

    with pytest.raises(ConfigInvalid) as caught:
        HeaderSettings.load()

    assert "ISOLANE_TRYOUT_OTLP_HEADERS (otlp_headers)" in str(caught.value)
    assert "entry 2" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_headers_of_a_secret_file_end_before_its_newline_and_show_nowhere(secrets: Path) -> None:
    (secrets / "isolane_tryout_otlp_headers").write_text("x-token=hunter2\n")

    settings = HeaderSettings.load()

    assert metadata_of(settings.otlp_headers.get_secret_value()) == (("x-token", "hunter2"),)
    assert "hunter2" not in repr(settings) + settings.model_dump_json()
