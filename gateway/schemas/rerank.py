"""Bodies of the rerank API in Cohere's (v1 and v2) and Jina's shape."""

from __future__ import annotations

from typing import Annotated, Any

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
    """Accepted: a document is never split into more than one chunk; see X-Isolane-Truncated."""
    max_tokens_per_doc: PositiveInt | None = None
    """Refused when a pair of query and document is longer; documents are cut only to the model's own limit."""
    relevant_spans: Any = None
    """Refused: spans are not computed here."""

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

    def check_length(self, longest_pair: int) -> None:
        """Raise InvalidRequest when a pair of query and document has more tokens than `max_tokens_per_doc`."""
        if self.max_tokens_per_doc is not None and longest_pair > self.max_tokens_per_doc:
            raise InvalidRequest(
                f"max_tokens_per_doc: a pair of query and document has {longest_pair} tokens, more than "
                f"{self.max_tokens_per_doc}; documents are cut only to the model's own limit: leave it out or shorten "
                "the documents",
                param="max_tokens_per_doc",
            )


class RerankResult(Struct, kw_only=True):
    """One document's relevance."""

    index: int
    """Position of the document in the request."""
    relevance_score: float
    """0 to 1, higher is better."""
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


class RerankResponse(Struct, kw_only=True):
    """The best documents, best first."""

    id: str
    """The request id."""
    model: str
    results: list[RerankResult]
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
