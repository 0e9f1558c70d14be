"""What computes a model, and where; no GPU and no torch is needed to tell."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from services.common.errors import StartupError
from services.common.testing.logs import captured_logs
from services.embedding.settings import EmbeddingSettings
from services.models.backends.choice import Choice, choose
from services.models.backends.torch import device as torch_device
from services.models.backends.torch.device import choose_device
from services.models.settings import ModelSettings
from services.reranking.settings import RerankingSettings


def chosen(dtype: str = "float32", **settings: Any) -> Choice:
    model = ModelSettings(id="m", source="path:/none", dtype=dtype)
    return choose(EmbeddingSettings(**settings), model)


@pytest.fixture(params=[False, True])
def has_gpu(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    monkeypatch.setattr(torch_device, "_has_gpu", lambda _service: request.param)
    found: bool = request.param
    return found


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_device, "_has_gpu", lambda _service: True)


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_device, "_has_gpu", lambda _service: False)


def test_auto_is_torch_on_a_gpu_and_openvino_on_the_cpu(has_gpu: bool) -> None:
    expected = Choice(backend="torch", device="cuda") if has_gpu else Choice(backend="openvino", device="cpu")

    assert chosen() == expected
    assert chosen(device="cpu") == Choice(backend="openvino", device="cpu")


def test_a_backend_that_is_named_is_taken(has_gpu: bool) -> None:
    assert chosen(backend="openvino") == Choice(backend="openvino", device="cpu")
    assert chosen(backend="torch", device="cpu") == Choice(backend="torch", device="cpu")
    assert chosen(backend="torch").device == ("cuda" if has_gpu else "cpu")


@pytest.mark.usefixtures("gpu")
def test_the_gpu_that_is_named_is_taken() -> None:
    assert chosen(device="cuda:1") == Choice(backend="torch", device="cuda:1")
    assert chosen(require_gpu=True) == Choice(backend="torch", device="cuda")


@pytest.mark.usefixtures("no_gpu")
@pytest.mark.parametrize("settings", [{"require_gpu": True}, {"device": "cuda"}, {"device": "cuda:1"}])
@pytest.mark.parametrize("backend", ["auto", "torch"])
def test_a_gpu_that_is_asked_for_and_not_there_is_a_clear_error(settings: dict[str, Any], backend: str) -> None:
    with pytest.raises(StartupError, match="torch finds no usable CUDA GPU; check the driver or change the settings"):
        chosen(backend=backend, **settings)


@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"require_gpu": True, "device": "cpu"}, "the device is set to cpu"),
        ({"require_gpu": True, "backend": "openvino"}, "backend openvino, .* runs on the CPU"),
        ({"device": "cuda", "backend": "openvino"}, "backend openvino, .* runs on the CPU"),
        ({"dtype": "float16", "device": "cpu"}, "model m: float16 is for GPUs"),
        ({"dtype": "float16", "backend": "openvino"}, "model m: float16 is for GPUs"),
        ({"dtype": "int8"}, "model m: int8 is for the CPU with backend openvino"),
        ({"dtype": "int8", "backend": "torch", "device": "cpu"}, "model m: int8 is for the CPU with backend openvino"),
    ],
)
def test_what_does_not_go_together_is_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(StartupError, match=words):
        chosen(**settings)


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctypes.CDLL", lambda _name: None)


@pytest.fixture
def no_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    torch_device._warn_once.cache_clear()


def test_without_a_driver_torch_is_not_even_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_driver(_name: str) -> None:
        raise OSError

    monkeypatch.setattr("ctypes.CDLL", no_driver)
    monkeypatch.setattr("importlib.import_module", pytest.fail)

    assert choose_device("auto", require_gpu=False, service="embedding") == "cpu"


@pytest.mark.usefixtures("driver")
@pytest.mark.parametrize(("usable", "device"), [(True, "cuda"), (False, "cpu")])
def test_with_a_driver_torch_decides(monkeypatch: pytest.MonkeyPatch, usable: bool, device: str) -> None:
    stand_in = SimpleNamespace(__spec__=object(), cuda=SimpleNamespace(is_available=lambda: usable))
    monkeypatch.setitem(sys.modules, "torch", stand_in)

    assert choose_device("auto", require_gpu=False, service="embedding") == device


@pytest.mark.usefixtures("driver", "no_torch")
def test_a_gpu_without_torch_is_left_alone_with_one_warning() -> None:
    with captured_logs() as logs:
        found = [chosen(), chosen()]

    assert found == [Choice(backend="openvino", device="cpu")] * 2
    assert [(line["level"], line["event"]) for line in logs.lines()] == [("warning", "gpu_not_used")]
    assert "pip install 'isolane[embedding,torch]'; models run on the CPU" in logs.lines()[0]["reason"]


@pytest.mark.usefixtures("no_torch")
@pytest.mark.parametrize("settings", [{"require_gpu": True}, {"device": "cuda"}, {"device": "cuda:1"}])
@pytest.mark.parametrize("backend", ["auto", "torch"])
def test_a_gpu_that_is_asked_for_without_torch_is_an_error_that_names_the_extra(
    settings: dict[str, Any], backend: str
) -> None:
    with pytest.raises(StartupError, match=r"torch is not installed; .* pip install 'isolane\[embedding,torch\]'"):
        chosen(backend=backend, **settings)


@pytest.mark.usefixtures("no_torch")
def test_the_backend_torch_without_torch_is_an_error_that_names_the_extra() -> None:
    model = ModelSettings(id="m", source="path:/none")

    with pytest.raises(StartupError, match=r"backend torch: .* pip install 'isolane\[reranking,torch\]'"):
        choose(RerankingSettings(backend="torch", device="cpu"), model)
