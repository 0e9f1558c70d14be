"""Bodies of the rerank API in Cohere's (v1 and v2) and Jina's shape."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from services.common.errors import InvalidRequest, TooLarge

MAX_DOCUMENTS = 1000

PositiveInt = Annotated[int, Meta(ge=1, le=2**31 - 1)]


class TextObject(Struct, kw_only=True, frozen=True):
    """A text in an object; other fields are ignored."""

    text: str


class RerankRequest(Struct, kw_only=True, frozen=True):
    """What to rank. Fields that are not listed are ignored."""

    query: str | TextObject
    """What is looked for."""
    documents: list[str | TextObject]
    """The candidates."""
    model: Annotated[str, Meta(min_length=1, max_length=256)] | None = None
    """Id of a model from /v1/models; default the first reranking model there."""
    top_n: PositiveInt | None = None
    """Number of results; default all."""
    return_documents: bool | None = None
    """Repeat the documents' texts in the results; default false, as Cohere has it."""
    rank_fields: list[str] | None = None
    """Fields of document objects that are ranked; only `text` is."""
    max_chunks_per_doc: PositiveInt | None = None
    """Most passages by which a document is scored that is too long for the model; default the service's own number."""
    max_tokens_per_doc: PositiveInt | None = None
    """Documents are cut to so many tokens first; default no limit."""
    relevant_spans: Any = None
    """Refused: spans are not computed here."""
    raw_scores: bool | None = None
    """Not Cohere's: the model's own scores rather than 0 to 1; default false."""
    item_errors: Literal["fail", "report"] | None = None
    """Not Cohere's: what a document does that is wrong alone: `fail` (default) the request, or `report` itself."""

    def query_text(self) -> str:
        """The query; InvalidRequest when it is empty."""
        query = _text(self.query)
        if not query:
            raise InvalidRequest("query: it is empty; say what to look for", param="query")
        return query

    def texts(self) -> list[str]:
        """The documents' texts; InvalidRequest when there are none, TooLarge when there are too many."""
        if not self.documents:
            raise InvalidRequest("documents: the list is empty; send at least one", param="documents")
        if len(self.documents) > MAX_DOCUMENTS:
            raise TooLarge(
                f"documents: {len(self.documents)} documents; at most {MAX_DOCUMENTS} per request", param="documents"
            )
        return [_text(document) for document in self.documents]

    def check_supported(self) -> None:
        """Raise InvalidRequest for an option that would change the result and is not there."""
        if self.rank_fields not in (None, ["text"]):
            raise InvalidRequest(
                "rank_fields: only the field text is ranked; send each document as one text", param="rank_fields"
            )
        if self.relevant_spans is not None:
            raise InvalidRequest("relevant_spans: not computed here; leave it out", param="relevant_spans")


class RerankResult(Struct, kw_only=True):
    """One document's relevance."""

    index: int
    """Position of the document in the request."""
    relevance_score: float
    """0 to 1, or with `raw_scores` any number; higher is better."""
    document: TextObject | UnsetType = UNSET
    """The document, when `return_documents` is true."""


class ApiVersion(Struct, kw_only=True):
    """Cohere's API version that was called."""

    version: str


class RerankMeta(Struct, kw_only=True):
    """What Cohere's clients expect beside the results."""

    api_version: ApiVersion
    warnings: list[str] | UnsetType = UNSET


class RerankUsage(Struct, kw_only=True):
    """What the request cost, as Jina counts it. Unit: tokens of all pairs of query and document."""

    total_tokens: int
    prompt_tokens: int


class DocumentError(Struct, kw_only=True):
    """Why one document has no score."""

    index: int
    """Position of the document in the request."""
    message: str


class RerankResponse(Struct, kw_only=True):
    """The best documents, best first."""

    id: str
    """The request id."""
    model: str
    results: list[RerankResult]
    errors: list[DocumentError] | UnsetType = UNSET
    """The documents that failed, when the request says `"item_errors": "report"`."""
    meta: RerankMeta
    usage: RerankUsage


class RerankError(Struct, kw_only=True):
    """An error as Cohere's and Jina's clients read it."""

    id: str
    """The request id."""
    message: str
    detail: str
    """The message again, where Jina's clients look for it."""


def _text(value: str | TextObject) -> str:
    return value if isinstance(value, str) else value.text
