"""Bodies of OpenAI's embeddings and models APIs."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from services.common.errors import InvalidRequest, TooLarge

MAX_INPUTS = 2048

ModelId = Annotated[str, Meta(min_length=1, max_length=256)]
TokenId = Annotated[int, Meta(ge=0, le=2**32 - 1)]


class EmbeddingsRequest(Struct, kw_only=True, frozen=True):
    """What to embed. Unknown fields are ignored, as OpenAI's clients send new ones now and then."""

    input: str | list[str | TokenId | list[TokenId]]
    """A text, a list of texts, a list of token ids, or a list of lists of token ids."""
    model: ModelId
    """Id of a model from /v1/models."""
    encoding_format: Literal["float", "base64"] | None = None
    """How vectors are written: `float` (default) a list of numbers, `base64` their bytes, little-endian."""
    dimensions: Annotated[int, Meta(ge=1, le=65_536)] | None = None
    """Length of the vectors, for models that can shorten them."""
    user: str | None = None
    """Accepted for compatibility and ignored."""
    input_type: Literal["query", "document"] | None = None
    """Not OpenAI's: what the texts are for, as some models put a prompt of their own before each kind; default none."""
    output_dtype: Literal["float32", "float16", "int8", "binary"] | None = None
    """Not OpenAI's: number type of the vectors, default `float32`. `binary` has one bit for each dimension."""
    item_errors: Literal["fail", "report"] | None = None
    """Not OpenAI's: what an input does that is wrong alone: `fail` (default) the request, or `report` itself."""

    def inputs(self) -> list[str | list[int]]:
        """The inputs as a list of texts or of lists of token ids.

        Raises:
            InvalidRequest: the list is empty or mixes kinds.
            TooLarge: the list is too long.
        """
        if isinstance(self.input, str):
            return [self.input]
        kinds = {type(item) for item in self.input}
        if kinds == {int}:
            return [[item for item in self.input if isinstance(item, int)]]
        if len(self.input) > MAX_INPUTS:
            raise TooLarge(f"input: {len(self.input)} inputs; at most {MAX_INPUTS} per request", param="input")
        if not kinds:
            raise InvalidRequest("input: the list is empty; send at least one text", param="input")
        if len(kinds) > 1:
            raise InvalidRequest("input: texts and token ids are mixed; send one kind", param="input")
        return [item for item in self.input if not isinstance(item, int)]


class ItemError(Struct, kw_only=True):
    """Why one input has no vector."""

    code: str
    """As of errors of whole requests, for example `invalid_request`."""
    message: str


class Embedding(Struct, kw_only=True):
    """One vector."""

    object: Literal["embedding"] = "embedding"
    index: int
    """Position of its input."""
    embedding: tuple[float, ...] | memoryview | None
    """The vector; bytes are written as base64. Null beside an `error`."""
    scale: float | UnsetType = UNSET
    """Of int8 vectors: a number times this gives back the element."""
    error: ItemError | UnsetType = UNSET
    """Where the input failed and the request says `"item_errors": "report"`."""


class EmbeddingsUsage(Struct, kw_only=True):
    """What the request cost. Unit: tokens, special tokens included."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingsResponse(Struct, kw_only=True):
    """One vector per input, in the order of the inputs."""

    object: Literal["list"] = "list"
    data: list[Embedding]
    model: str
    usage: EmbeddingsUsage


class ErrorDetail(Struct, kw_only=True):
    """What went wrong."""

    message: str
    type: str
    """`invalid_request_error`, `rate_limit_error` or `server_error`."""
    param: str | None
    """The request's field at fault, where one is."""
    code: str


class OpenAIError(Struct, kw_only=True):
    """OpenAI's error object."""

    error: ErrorDetail


class ModelCard(Struct, kw_only=True):
    """One model; the fields after `owned_by` are not OpenAI's."""

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    """Always 0: a served model has no date of creation."""
    owned_by: str = "isolane"
    service: str
    """`embedding` or `reranking`."""
    revision: str
    """What the weights are; the same revision and number type give the same results."""
    dtype: str
    """Number type of the computation, for example `float32`; of the instance that answered, where instances differ."""
    max_tokens: int
    """Longest input; the rest is cut off and reported."""
    dimensions: int | None
    """Length of a vector; null for models without vectors."""
    fake: bool
    """True for the deterministic stand-in, whose results mean nothing."""


class ModelList(Struct, kw_only=True):
    """The models that can be used now."""

    object: Literal["list"] = "list"
    data: list[ModelCard]
