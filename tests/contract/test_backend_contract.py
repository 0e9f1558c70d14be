"""What every backend of embedding and reranking keeps to: the fake, torch, also on a GPU, and OpenVINO."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from services.common.errors import InvalidRequest, StartupError
from services.embedding.app import TASK as EMBEDDING
from services.embedding.backends.base import EmbeddingBackend, InputType, Text
from services.embedding.settings import EmbeddingModelSettings, EmbeddingSettings
from services.models.backend import ModelBackend
from services.models.models import Tokens
from services.reranking.app import TASK as RERANKING
from services.reranking.backends.base import RerankingBackend
from services.reranking.settings import RerankingModelSettings, RerankingSettings
from tests.contract import tiny_models

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]  # the first one imports torch and OpenVINO

ON_CPU = ["torch", "openvino"]
CUDA = pytest.param("cuda", marks=pytest.mark.gpu)
"""torch on a GPU."""
REAL = [*ON_CPU, CUDA]
BACKENDS = ["fake", *REAL]
LIMIT = tiny_models.MAX_TOKENS
QUERY = "why is the axis tilted"
WITHOUT_OPENVINO = """
import sys
sys.modules["openvino"] = None
from tests.contract import test_backend_contract as contract
from pathlib import Path
embedder = contract.embedder("torch", Path(sys.argv[1]))
reranker = contract.reranker("torch", Path(sys.argv[2]))
print(embedder.model.backend, reranker.model.backend)
"""
LONG = "the tilt of the axis changes how much light each half of the planet gets over a year " * 8
TEXTS = ["a", "the axis is tilted", "light " * 30, "one two three four five six seven", LONG, "cats sleep", LONG[:100]]


@pytest.fixture(scope="module", autouse=True)
def models_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("models")
        patch.setenv("ISOLANE_MODELS_DIR", str(folder))
        yield folder


@pytest.fixture(scope="module")
def bi_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.make_bi_encoder(tmp_path_factory.mktemp("bi-encoder"))


@pytest.fixture(scope="module")
def cross_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.make_cross_encoder(tmp_path_factory.mktemp("cross-encoder"))


def where(backend: str) -> dict[str, Any]:
    device = {"backend": "torch", "device": "cuda"} if backend == "cuda" else {"backend": backend, "device": "cpu"}
    return {**device, "threads": 2}


def embedder(backend: str, folder: Path, **model: Any) -> EmbeddingBackend:
    settings = EmbeddingSettings(**where(backend))
    return EMBEDDING.load(
        settings,
        EmbeddingModelSettings(
            **{"id": "tiny", "source": f"path:{folder}", "max_tokens": LIMIT, "dtype": "float32"} | model
        ),
    )


def reranker(backend: str, folder: Path, **model: Any) -> RerankingBackend:
    settings = RerankingSettings(**where(backend))
    return RERANKING.load(
        settings,
        RerankingModelSettings(
            **{"id": "tiny", "source": f"path:{folder}", "max_tokens": LIMIT, "dtype": "float32"} | model
        ),
    )


@pytest.fixture(scope="module", params=BACKENDS)
def embeds(request: pytest.FixtureRequest, bi_encoder: Path) -> Iterator[EmbeddingBackend]:
    backend = embedder(request.param, bi_encoder)
    yield backend
    backend.close()


@pytest.fixture(scope="module", params=BACKENDS)
def reranks(request: pytest.FixtureRequest, cross_encoder: Path) -> Iterator[RerankingBackend]:
    backend = reranker(request.param, cross_encoder)
    yield backend
    backend.close()


@dataclass(frozen=True, kw_only=True)
class Served:
    """A backend of either service."""

    backend: ModelBackend
    batch: Sequence[Tokens]
    """Items of many lengths."""
    shape: tuple[int, ...]
    """Of one result."""
    device: str


@pytest.fixture(scope="module", params=BACKENDS)
def name(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture(scope="module", params=["embedding", "reranking"])
def served(request: pytest.FixtureRequest, name: str, bi_encoder: Path, cross_encoder: Path) -> Iterator[Served]:
    device = "cuda" if name == "cuda" else "cpu"
    if request.param == "embedding":
        embeds = embedder(name, bi_encoder)
        found = Served(backend=embeds, batch=texts(embeds, *TEXTS), shape=(embeds.model.dimensions,), device=device)
    else:
        reranks = reranker(name, cross_encoder)
        batch = [pair for one in pairs(reranks, QUERY, *TEXTS, most=3) for pair in one]
        found = Served(backend=reranks, batch=batch, shape=(), device=device)
    yield found
    found.backend.close()


def texts(backend: EmbeddingBackend, *inputs: Text, kind: InputType = InputType.PLAIN) -> list[Tokens]:
    items = backend.tokenize(inputs, kind)
    good = [item for item in items if isinstance(item, Tokens)]
    assert len(good) == len(items)
    return good


def pairs(
    backend: RerankingBackend, query: str, *documents: str, most: int = 1, longest: int = 0
) -> list[list[Tokens]]:
    return backend.tokenize(query, documents, max_document_tokens=longest, max_passages=most)


def compute(backend: ModelBackend, batch: Sequence[Tokens], *, alone: bool = True) -> npt.NDArray[np.float32]:
    return backend.compute(backend.prepare(batch), alone=alone)


@pytest.mark.parametrize("alone", [True, False])
def test_each_item_has_its_result_in_order_whatever_else_is_in_the_batch(served: Served, alone: bool) -> None:
    expected = np.concatenate([compute(served.backend, [item]) for item in served.batch])

    found = compute(served.backend, served.batch, alone=alone)
    reversed_ = compute(served.backend, served.batch[::-1], alone=alone)[::-1]

    assert found.dtype == np.float32
    assert found.shape == (len(served.batch), *served.shape)
    assert np.ptp(expected, axis=0).max() > 0.1, "results that are all alike prove nothing"
    assert np.allclose(found, expected, atol=1e-4)
    assert np.allclose(reversed_, expected, atol=1e-4)


def test_batches_that_are_computed_at_once_do_not_disturb_each_other(served: Served) -> None:
    batches = [served.batch[start : start + size] for start in range(4) for size in (1, 2, 3)] * 6
    expected = [compute(served.backend, batch) for batch in batches]

    with ThreadPoolExecutor(6) as threads:
        found = list(
            threads.map(lambda at: compute(served.backend, batches[at], alone=at % 5 == 0), range(len(batches)))
        )

    assert all(np.allclose(ours, theirs, atol=1e-4) for ours, theirs in zip(found, expected, strict=True))


def test_a_result_is_not_overwritten_by_later_batches(served: Served) -> None:
    first = compute(served.backend, served.batch)
    before = first.copy()

    for _ in range(3):
        compute(served.backend, served.batch[::-1])

    assert np.array_equal(first, before)


def test_a_batch_costs_nothing_until_it_is_computed_and_can_be_prepared_ahead(served: Served) -> None:
    expected = compute(served.backend, served.batch[:2])

    ahead = [served.backend.prepare(served.batch[:2]), served.backend.prepare(served.batch[2:])]

    assert np.allclose(served.backend.compute(ahead[0], alone=True), expected, atol=1e-4)


def test_the_model_tells_what_it_is(served: Served) -> None:
    model = served.backend.model

    assert (model.id, model.max_tokens, model.dtype, model.device) == ("tiny", LIMIT, "float32", served.device)
    assert model.fake is (model.backend == "fake")
    assert model.revision
    assert served.backend.replicas == (2 if model.backend == "openvino" else 1)


def test_no_input_is_longer_than_the_limit_and_what_was_cut_is_counted(embeds: EmbeddingBackend) -> None:
    (whole,) = texts(embeds, "light " * 20)
    short, long, longer = texts(embeds, "light", "light " * 100, "light " * 101)

    assert (short.dropped, short.truncated) == (0, False)
    assert len(long.ids) == len(longer.ids) == LIMIT
    assert long.dropped == 100 - LIMIT + (len(whole.ids) - 20)
    assert (longer.dropped, longer.truncated) == (long.dropped + 1, True)


def test_token_ids_are_computed_as_the_text_that_they_came_from(embeds: EmbeddingBackend) -> None:
    (text,) = texts(embeds, "the axis is tilted")

    assert texts(embeds, list(text.ids)) == [text]


@pytest.mark.parametrize("bad", [-1, 10_000_000])
def test_a_token_id_outside_the_vocabulary_fails_alone(embeds: EmbeddingBackend, bad: int) -> None:
    first, second, third = embeds.tokenize(["a", [5, bad], "b"], InputType.PLAIN)

    assert isinstance(second, InvalidRequest)
    assert isinstance(first, Tokens)
    assert isinstance(third, Tokens)


def test_text_and_token_ids_may_be_mixed_and_keep_their_order(embeds: EmbeddingBackend) -> None:
    one, two = texts(embeds, "one", "two")

    assert texts(embeds, "one", list(two.ids), "two", list(one.ids)) == [one, two, two, one]


@pytest.mark.parametrize("name", BACKENDS)
def test_prompts_go_before_texts_of_their_kind_and_before_no_token_ids(name: str, bi_encoder: Path) -> None:
    backend = embedder(name, bi_encoder, query_prompt="find this ", document_prompt="read this ")
    (ids,) = [list(item.ids) for item in texts(backend, "light")]

    assert texts(backend, "light", kind=InputType.QUERY) == texts(backend, "find this light")
    assert texts(backend, "light", kind=InputType.DOCUMENT) == texts(backend, "read this light")
    assert texts(backend, ids, kind=InputType.QUERY) == texts(backend, "light")


@pytest.mark.parametrize("name", REAL)
def test_prompts_are_the_models_own_unless_the_settings_say_otherwise(name: str, bi_encoder: Path) -> None:
    own, none = embedder(name, bi_encoder), embedder(name, bi_encoder, query_prompt="", document_prompt="")

    assert texts(own, "light", kind=InputType.QUERY) == texts(own, f"{tiny_models.QUERY_PROMPT}light")
    assert texts(own, "light", kind=InputType.DOCUMENT) == texts(own, f"{tiny_models.PASSAGE_PROMPT}light")
    assert texts(none, "light", kind=InputType.QUERY) == texts(own, "light")


def test_a_document_that_fits_is_one_pair(reranks: RerankingBackend) -> None:
    ((first,), (second,)) = pairs(reranks, QUERY, "the axis is tilted", "no", most=5)

    assert (first.dropped, second.dropped) == (0, 0)
    assert len(first.ids) == len(second.ids) + 3


def test_a_long_document_is_read_by_passages_that_overlap(reranks: RerankingBackend) -> None:
    numbers = " ".join(str(number) for number in range(100, 250))

    (one,), several = pairs(reranks, QUERY, numbers)[0], pairs(reranks, QUERY, numbers, most=100)[0]

    passages = [{i for i, kind in zip(pair.ids, pair.type_ids, strict=True) if kind == 1} for pair in several]
    assert len(several) > 3
    assert all(len(pair.ids) == LIMIT for pair in several[:-1])
    assert all(pair.dropped == 0 for pair in several)
    assert several[0].ids == one.ids
    assert one.dropped > 0
    assert len(set.union(*passages)) >= 150
    assert all(4 <= len(left & right) <= 6 for left, right in pairwise(passages))


def test_what_the_passages_leave_out_is_counted_once(reranks: RerankingBackend) -> None:
    counts = [
        sum(pair.dropped for pair in pairs(reranks, QUERY, "light " * 300, most=most)[0]) for most in (1, 2, 3, 99)
    ]

    assert counts == sorted(counts, reverse=True)
    assert counts[0] > counts[1] > counts[2] > counts[3] == 0
    assert counts[0] - counts[1] == counts[1] - counts[2]


def test_documents_may_be_cut_first(reranks: RerankingBackend) -> None:
    cut = pairs(reranks, QUERY, "light " * 300, most=99, longest=10)[0]

    (same,) = pairs(reranks, QUERY, "light " * 10)[0]
    assert [pair.ids for pair in cut] == [same.ids]
    assert cut[0].dropped == 290


def test_a_long_query_is_cut_to_half_of_a_pair_and_counted(reranks: RerankingBackend) -> None:
    (pair,) = pairs(reranks, "light " * 300, "light " * 300)[0]

    kinds = [pair.type_ids.count(kind) for kind in (0, 1)]
    assert abs(kinds[0] - kinds[1]) <= 2
    assert len(pair.ids) == LIMIT
    assert pair.dropped >= 600 - LIMIT


def test_pairs_with_the_same_document_score_alike_and_with_another_do_not(reranks: RerankingBackend) -> None:
    batch = [found[0] for found in pairs(reranks, QUERY, "the axis is tilted", "why seasons", "the axis is tilted")]

    scores = compute(reranks, batch)

    assert scores[0] == pytest.approx(scores[2], abs=1e-4)
    assert scores[0] != pytest.approx(scores[1], abs=1e-2)


@pytest.mark.parametrize("how", ["cut", "gone"])
@pytest.mark.parametrize("name", REAL)
def test_damaged_files_are_a_startup_error_that_names_the_model(name: str, how: str, tmp_path: Path) -> None:
    broken = tiny_models.damage(tiny_models.make_bi_encoder(tmp_path / "bi"), how)
    with pytest.raises(StartupError, match=r"model broken: .* cannot be loaded"):
        embedder(name, broken, id="broken")

    broken = tiny_models.damage(tiny_models.make_cross_encoder(tmp_path / "cross"), how)
    with pytest.raises(StartupError, match=r"model broken: .* cannot be loaded"):
        reranker(name, broken, id="broken")


@pytest.mark.parametrize("name", REAL)
def test_a_limit_over_the_models_own_is_refused(name: str, bi_encoder: Path, cross_encoder: Path) -> None:
    with pytest.raises(StartupError, match=f"max_tokens is {LIMIT + 1}, and the model itself takes at most {LIMIT}"):
        embedder(name, bi_encoder, max_tokens=LIMIT + 1)
    with pytest.raises(StartupError, match="leaves no room for text"):
        reranker(name, cross_encoder, max_tokens=4)


@pytest.mark.parametrize("name", REAL)
def test_a_lower_limit_than_the_models_own_holds(name: str, bi_encoder: Path) -> None:
    backend = embedder(name, bi_encoder, max_tokens=10)

    (long,) = texts(backend, LONG)

    assert (backend.model.max_tokens, len(long.ids)) == (10, 10)


def test_torch_needs_no_openvino(bi_encoder: Path, cross_encoder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_OPENVINO, str(bi_encoder), str(cross_encoder)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stdout == "torch torch\n", done.stderr


def test_torch_and_openvino_give_the_same(bi_encoder: Path, cross_encoder: Path) -> None:
    vectors = [compute(backend, texts(backend, *TEXTS)) for backend in (embedder(name, bi_encoder) for name in ON_CPU)]
    scores = [
        compute(backend, [found[0] for found in pairs(backend, QUERY, *TEXTS)])
        for backend in (reranker(name, cross_encoder) for name in ON_CPU)
    ]

    assert (vectors[0] * vectors[1]).sum(axis=1).min() > 0.9999
    assert np.abs(scores[0] - scores[1]).max() < 1e-3


@pytest.mark.parametrize("name", BACKENDS)
def test_auto_is_told_as_the_number_type_that_it_came_to(name: str, bi_encoder: Path, cross_encoder: Path) -> None:
    models = [
        open_model(name, folder, dtype="auto").model
        for open_model, folder in ((embedder, bi_encoder), (reranker, cross_encoder))
    ]

    assert {model.dtype for model in models} <= {"float32", "bfloat16"}
