"""The architectures that are known: what each calls its settings and tensors, and what it has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

from services.models.backends.openvino.graph.config import Config
from services.models.backends.openvino.graph.problems import DamagedError, NotKnownError


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """Names of settings in config.json, each with the value that counts when it is missing."""

    hidden: tuple[str, int] = ("hidden_size", 768)
    layers: tuple[str, int] = ("num_hidden_layers", 12)
    heads: tuple[str, int] = ("num_attention_heads", 12)
    inner: tuple[str, int] = ("intermediate_size", 3072)
    positions: tuple[str, int] = ("max_position_embeddings", 512)
    activation: tuple[str, str] = ("hidden_act", "gelu")
    epsilon: tuple[str, float] | None = ("layer_norm_eps", 1e-12)
    """None for an architecture that has no choice: 1e-12."""
    vocabulary: tuple[str, int]
    padding: tuple[str, int]
    attention_bias: str | None = None
    """Switch of the biases of attention's linear layers; None where they always have some."""
    inner_bias: str | None = None
    """The same of the feed-forward layers."""
    norm_bias: str | None = None
    """The same of the normalisations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerNames:
    """Names of a layer's parts, below the layer's own."""

    layer: str
    """With {} for its number."""
    attention: tuple[str, ...]
    """Query, key and value, or one linear layer for all three."""
    attention_output: str
    attention_norm: str
    inner: str
    output: str
    output_norm: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """Turns a text's state into scores: a linear layer, an activation, perhaps a normalisation, a linear layer."""

    dense: str
    activation: str = "tanh"
    norm: str | None = None
    scores: str
    pooling_key: str | None = None
    """Setting that chooses between the first token and the mean; None where it is the first token."""
    activation_key: str | None = None
    dense_bias_key: str | None = None
    """Switch of the first linear layer's bias; None where it always has one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """A family of encoders."""

    model_type: str
    classifier: str
    """Name in `architectures` of the variant that gives scores."""
    prefix: str
    """What stands before the encoder's names in a checkpoint that has more than the encoder."""
    keys: Keys
    words: str = "embeddings.word_embeddings"
    embedding_norm: str = "embeddings.LayerNorm"
    names: LayerNames
    head: Head
    positions: Literal["from_0", "after_padding", "rotary"] = "from_0"
    """`after_padding`: from the padding token's id + 1, and tokens that are padding do not count."""
    has_types: bool = False
    """It has a table of token types."""
    relative_bias: str | None = None
    """Table of what attention adds by distance."""
    final_norm: str | None = None
    """Normalisation after the last layer, of an architecture that normalises before each part and not after it."""
    is_gated: bool = False
    """The feed-forward layer multiplies its inner values by others that have no activation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """An architecture's settings in one model."""

    hidden: int
    layers: int
    heads: int
    inner: int
    positions: int
    vocabulary: int
    types: int
    """Rows of the table of token types; 0 without one."""
    padding: int
    activation: str
    epsilon: float
    attention_bias: bool
    inner_bias: bool
    norm_bias: bool

    @property
    def head_size(self) -> int:
        """Values of one attention head."""
        return self.hidden // self.heads


_BERT = Architecture(
    model_type="bert",
    classifier="BertForSequenceClassification",
    prefix="bert.",
    keys=Keys(vocabulary=("vocab_size", 30522), padding=("pad_token_id", 0)),
    names=LayerNames(
        layer="encoder.layer.{}.",
        attention=("attention.self.query", "attention.self.key", "attention.self.value"),
        attention_output="attention.output.dense",
        attention_norm="attention.output.LayerNorm",
        inner="intermediate.dense",
        output="output.dense",
        output_norm="output.LayerNorm",
    ),
    head=Head(dense="pooler.dense", scores="classifier"),
    has_types=True,
)
_ROBERTA = replace(
    _BERT,
    model_type="roberta",
    classifier="RobertaForSequenceClassification",
    prefix="roberta.",
    keys=Keys(vocabulary=("vocab_size", 50265), padding=("pad_token_id", 1)),
    head=Head(dense="classifier.dense", scores="classifier.out_proj"),
    positions="after_padding",
)
_XLM_ROBERTA = replace(
    _ROBERTA,
    model_type="xlm-roberta",
    classifier="XLMRobertaForSequenceClassification",
    keys=Keys(vocabulary=("vocab_size", 30522), padding=("pad_token_id", 1)),
)
_CAMEMBERT = replace(_XLM_ROBERTA, model_type="camembert", classifier="CamembertForSequenceClassification")
_DISTILBERT = Architecture(
    model_type="distilbert",
    classifier="DistilBertForSequenceClassification",
    prefix="distilbert.",
    keys=Keys(
        hidden=("dim", 768),
        layers=("n_layers", 6),
        heads=("n_heads", 12),
        inner=("hidden_dim", 3072),
        activation=("activation", "gelu"),
        epsilon=None,
        vocabulary=("vocab_size", 30522),
        padding=("pad_token_id", 0),
    ),
    names=LayerNames(
        layer="transformer.layer.{}.",
        attention=("attention.q_lin", "attention.k_lin", "attention.v_lin"),
        attention_output="attention.out_lin",
        attention_norm="sa_layer_norm",
        inner="ffn.lin1",
        output="ffn.lin2",
        output_norm="output_layer_norm",
    ),
    head=Head(dense="pre_classifier", activation="relu", scores="classifier"),
)
_MPNET = Architecture(
    model_type="mpnet",
    classifier="MPNetForSequenceClassification",
    prefix="mpnet.",
    keys=Keys(vocabulary=("vocab_size", 30527), padding=("pad_token_id", 1)),
    names=replace(
        _BERT.names,
        attention=("attention.attn.q", "attention.attn.k", "attention.attn.v"),
        attention_output="attention.attn.o",
        attention_norm="attention.LayerNorm",
    ),
    head=_ROBERTA.head,
    positions="after_padding",
    relative_bias="encoder.relative_attention_bias",
)
_MODERNBERT = Architecture(
    model_type="modernbert",
    classifier="ModernBertForSequenceClassification",
    prefix="model.",
    keys=Keys(
        layers=("num_hidden_layers", 22),
        inner=("intermediate_size", 1152),
        positions=("max_position_embeddings", 8192),
        activation=("hidden_activation", "gelu"),
        epsilon=("norm_eps", 1e-5),
        vocabulary=("vocab_size", 50368),
        padding=("pad_token_id", 50283),
        attention_bias="attention_bias",
        inner_bias="mlp_bias",
        norm_bias="norm_bias",
    ),
    words="embeddings.tok_embeddings",
    embedding_norm="embeddings.norm",
    names=LayerNames(
        layer="layers.{}.",
        attention=("attn.Wqkv",),
        attention_output="attn.Wo",
        attention_norm="attn_norm",
        inner="mlp.Wi",
        output="mlp.Wo",
        output_norm="mlp_norm",
    ),
    head=Head(
        dense="head.dense",
        activation="gelu",
        norm="head.norm",
        scores="classifier",
        pooling_key="classifier_pooling",
        activation_key="classifier_activation",
        dense_bias_key="classifier_bias",
    ),
    positions="rotary",
    final_norm="final_norm",
    is_gated=True,
)

ARCHITECTURES: Mapping[str, Architecture] = MappingProxyType(
    {one.model_type: one for one in (_BERT, _ROBERTA, _XLM_ROBERTA, _CAMEMBERT, _DISTILBERT, _MPNET, _MODERNBERT)}
)
"""By `model_type` of config.json."""

_FOREIGN = ("auto_map", "quantization_config", "is_decoder")
"""Settings that change what is computed: code beside the weights, rounded weights, attention to the past only."""


_MOST_LAYERS = 1000


def architecture_of(config: Config) -> Architecture:
    """The architecture that a config names.

    Raises:
        NotKnownError: it is another, or a variant that computes something else.
    """
    name = config.text("model_type", "")
    if name not in ARCHITECTURES:
        raise NotKnownError(f"the architecture {name[:100]!r}", list(ARCHITECTURES))
    for key in _FOREIGN:
        if config.get(key):
            raise NotKnownError(f"a {name} with the setting {key!r}")
    if (kind := config.text("position_embedding_type", "absolute")) != "absolute":
        raise NotKnownError(f"the position embedding type {kind[:100]!r}", ["absolute"])
    return ARCHITECTURES[name]


def shape_of(architecture: Architecture, config: Config) -> Shape:
    """What a config says of sizes.

    Raises:
        DamagedError: a setting is no size, or the heads do not divide the state.
    """
    keys = architecture.keys
    shape = Shape(
        hidden=config.whole(*keys.hidden),
        layers=config.whole(*keys.layers, least=0, most=_MOST_LAYERS),
        heads=config.whole(*keys.heads),
        inner=config.whole(*keys.inner),
        positions=config.whole(*keys.positions),
        vocabulary=config.whole(*keys.vocabulary),
        types=config.whole("type_vocab_size", 2) if architecture.has_types else 0,
        padding=config.whole(*keys.padding, least=0),
        activation=config.text(*keys.activation),
        epsilon=config.number(*keys.epsilon) if keys.epsilon else 1e-12,
        attention_bias=_has(keys.attention_bias, config),
        inner_bias=_has(keys.inner_bias, config),
        norm_bias=_has(keys.norm_bias, config),
    )
    if shape.hidden % shape.heads:
        raise DamagedError(f"{shape.heads} attention heads do not divide {shape.hidden} values")
    return shape


def _has(switch: str | None, config: Config) -> bool:
    return switch is None or config.flag(switch, default=False)
