"""Build a cross-encoder that scores like its bi-encoder before it has learned anything.

A plain BERT classifier must learn from nothing to compare two texts, which takes far more than minutes. This one is
a plain `BertForSequenceClassification` too, but its weights are laid out so that it begins as the bi-encoder:

- Some dimensions are added. SEGMENT is +1 in the query and -1 in the passage, PRESENCE is 1 in both; each attention
  head has two more dimensions that lower the logit between the two texts by `SEGMENT_GAPS`. So layers 0 to 5 encode
  both texts almost apart, as the bi-encoder does, and training decides how much they should see of each other.
- Layer 6 gives each token the mean of its own text; LayerNorm makes it a unit vector.
- Layer 7 adds the mean of the other text. The norm of the sum of two unit vectors grows with their cosine, and
  LayerNorm divides by it: the constant dimension UNIT comes out as 1 / sqrt(2 + 2 cos), which the head reads.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import BertConfig, BertForSequenceClassification, BertModel

BASE_WIDTH, HEADS, BASE_FEED_FORWARD, BASE_LAYERS = 384, 12, 1536, 6
BASE_HEAD_WIDTH = BASE_WIDTH // HEADS
HEAD_WIDTH = BASE_HEAD_WIDTH + 2
WIDTH = HEADS * HEAD_WIDTH
SEGMENT, PRESENCE, UNIT = BASE_WIDTH, BASE_WIDTH + 1, BASE_WIDTH + 2
FIRST_SPARE = BASE_WIDTH + 3
MEAN_LAYER, COMPARISON_LAYER = BASE_LAYERS, BASE_LAYERS + 1

SEGMENT_GAPS = (6.0, 6.0, 6.0, 4.0, 3.0, 2.0)
"""How much less a token attends to the other text, per layer; small ones let gradients pass. Unit: logits."""

_MARK = 0.05  # Small beside the embeddings, whose standard deviation is 0.07, so that LayerNorm hardly notices.
_SHRINK = math.sqrt(BASE_WIDTH / WIDTH)
_STEEPNESS, _SATURATION = 200.0, 8.0
_OWN_MEAN_WEIGHT = 8.0
_NEUTRAL_COSINE, _LOGITS_PER_COSINE, _READERS = 0.3, 12.0, 32

_ROWS = torch.arange(BASE_WIDTH) + 2 * (torch.arange(BASE_WIDTH) // BASE_HEAD_WIDTH)
_SEGMENT_ROWS = torch.arange(HEADS) * HEAD_WIDTH + BASE_HEAD_WIDTH
_PRESENCE_ROWS = _SEGMENT_ROWS + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Scales:
    """Median standard deviation of what enters each LayerNorm, by module name, and of the mean token."""

    inputs: dict[str, float]
    mean_token: float


@torch.no_grad()
def measure_scales(base: BertModel, features: dict[str, Tensor]) -> Scales:
    """Run the base model on a sample; the marks must be scaled back by what each LayerNorm divides by."""
    mask = features["attention_mask"].bool()
    inputs: dict[str, float] = {}

    def record(name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        return lambda _module, args: inputs.update({name: float(args[0].std(-1)[mask].median())})

    norms = [(name, module) for name, module in base.named_modules() if isinstance(module, nn.LayerNorm)]
    hooks = [module.register_forward_pre_hook(record(name)) for name, module in norms]
    tokens = base(**features).last_hidden_state
    for hook in hooks:
        hook.remove()
    means = (tokens * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
    return Scales(inputs=inputs, mean_token=float(means.std(-1).median()))


@torch.no_grad()
def widen(base: BertModel, scales: Scales) -> BertForSequenceClassification:
    """Return the cross-encoder laid out as the module's docstring says; uses torch's random state for spare weights."""
    model = BertForSequenceClassification(_config(base))
    _widen_embeddings(model.bert.embeddings, base.embeddings, scales)
    for index in range(BASE_LAYERS):
        prefix = f"encoder.layer.{index}"
        layer, old = model.bert.encoder.layer[index], base.encoder.layer[index]
        _widen_attention(
            layer.get_submodule("attention.self"), old.get_submodule("attention.self"), SEGMENT_GAPS[index]
        )
        _widen_output(
            layer.get_submodule("attention.output.dense"), old.get_submodule("attention.output.dense"), columns=_ROWS
        )
        _widen_feed_forward(layer, old)
        for name in ("attention.output.LayerNorm", "output.LayerNorm"):
            _widen_norm(layer.get_submodule(name), old.get_submodule(name), scales.inputs[f"{prefix}.{name}"])
    _lay_out_mean(model.bert.encoder.layer[MEAN_LAYER], scales)
    _lay_out_comparison(model.bert.encoder.layer[COMPARISON_LAYER])
    _lay_out_head(model)
    return model


def _config(base: BertModel) -> BertConfig:
    config = BertConfig(
        vocab_size=base.config.vocab_size,
        hidden_size=WIDTH,
        num_hidden_layers=BASE_LAYERS + 2,
        num_attention_heads=HEADS,
        intermediate_size=BASE_FEED_FORWARD + 8,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        max_position_embeddings=base.config.max_position_embeddings,
        layer_norm_eps=base.config.layer_norm_eps,
    )
    # On a CPU the backward pass of fused attention takes longer than all the rest of a step.
    config.num_labels = 1
    config._attn_implementation = "eager"
    return config


def _widen_embeddings(new: nn.Module, old: nn.Module, scales: Scales) -> None:
    for name in ("word_embeddings", "position_embeddings"):
        weight = new.get_submodule(name).get_parameter("weight")
        weight.zero_()
        weight[:, :BASE_WIDTH] = old.get_submodule(name).get_parameter("weight")
    types = new.get_submodule("token_type_embeddings").get_parameter("weight")
    types.zero_()
    # The bi-encoder knows type 0 only.
    types[:, :BASE_WIDTH] = old.get_submodule("token_type_embeddings").get_parameter("weight")[0]
    types[:, SEGMENT] = torch.tensor([_MARK, -_MARK])
    types[:, PRESENCE] = _MARK
    scale = scales.inputs["embeddings.LayerNorm"] / _MARK
    _widen_norm(new.get_submodule("LayerNorm"), old.get_submodule("LayerNorm"), scale)


def _widen_norm(new: nn.Module, old: nn.Module, scale: float) -> None:
    weight, bias = new.get_parameter("weight"), new.get_parameter("bias")
    weight.zero_()
    bias.zero_()
    weight[:BASE_WIDTH] = old.get_parameter("weight") * _SHRINK
    bias[:BASE_WIDTH] = old.get_parameter("bias")
    weight[[SEGMENT, PRESENCE]] = scale * _SHRINK
    weight[FIRST_SPARE:] = 0.3


def _widen_attention(new: nn.Module, old: nn.Module, gap: float) -> None:
    temperature = math.sqrt(HEAD_WIDTH / BASE_HEAD_WIDTH)
    for name, factor in (("query", temperature), ("key", 1.0), ("value", 1.0)):
        target, source = new.get_submodule(name), old.get_submodule(name)
        weight, bias = target.get_parameter("weight"), target.get_parameter("bias")
        bias.zero_()
        weight[_ROWS] = 0.0
        weight[_ROWS, :BASE_WIDTH] = source.get_parameter("weight") * factor
        bias[_ROWS] = source.get_parameter("bias") * factor
    _lay_out_gap(new, _gap_weight(gap), towards_own=True)
    # Without this, [CLS], whose marks nearly vanish in LayerNorm, would lose half the gap as a key.
    new.get_parameter("query.weight")[_PRESENCE_ROWS] = 0.0
    new.get_parameter("query.bias")[_PRESENCE_ROWS] = _gap_weight(gap)
    new.get_parameter("key.weight")[_PRESENCE_ROWS] = 0.0
    new.get_parameter("key.weight")[_PRESENCE_ROWS, PRESENCE] = -_gap_weight(gap)


def _gap_weight(gap: float) -> float:
    return math.sqrt(gap * math.sqrt(HEAD_WIDTH) / 2)


def _lay_out_gap(attention: nn.Module, weight: float, *, towards_own: bool) -> None:
    for name, sign in (("query", 1.0), ("key", 1.0 if towards_own else -1.0)):
        rows = attention.get_parameter(f"{name}.weight")
        rows[_SEGMENT_ROWS] = 0.0
        rows[_SEGMENT_ROWS, SEGMENT] = sign * weight


def _widen_output(new: nn.Module, old: nn.Module, *, columns: Tensor) -> None:
    weight, bias = new.get_parameter("weight"), new.get_parameter("bias")
    weight.zero_()
    bias.zero_()
    weight[torch.arange(BASE_WIDTH)[:, None], columns] = old.get_parameter("weight")
    bias[:BASE_WIDTH] = old.get_parameter("bias")


def _widen_feed_forward(new: nn.Module, old: nn.Module) -> None:
    inner, outer = new.get_submodule("intermediate.dense"), new.get_submodule("output.dense")
    weight, bias = inner.get_parameter("weight"), inner.get_parameter("bias")
    weight.zero_()
    bias.zero_()
    weight[:BASE_FEED_FORWARD, :BASE_WIDTH] = old.get_parameter("intermediate.dense.weight")
    bias[:BASE_FEED_FORWARD] = old.get_parameter("intermediate.dense.bias")
    _widen_output(outer, old.get_submodule("output.dense"), columns=torch.arange(BASE_FEED_FORWARD))
    for mark, first in ((SEGMENT, BASE_FEED_FORWARD), (PRESENCE, BASE_FEED_FORWARD + 4)):
        _restore_mark(inner, outer, mark=mark, first=first)


def _restore_mark(inner: nn.Module, outer: nn.Module, *, mark: int, first: int) -> None:
    """Write sign(mark) - mark with four GELUs: [CLS] is divided by 11 in LayerNorm, and its mark would be lost."""
    units = slice(first, first + 4)
    inner.get_parameter("weight")[units, mark] = torch.tensor([1.0, 1.0, 1.0, -1.0]) * _STEEPNESS
    inner.get_parameter("bias")[first : first + 2] = torch.tensor([_SATURATION, -_SATURATION])
    step, line = 1 / _SATURATION, 1 / _STEEPNESS
    outer.get_parameter("weight")[mark, units] = torch.tensor([step, -step, -line, line])
    outer.get_parameter("bias")[mark] = -1.0


def _lay_out_mean(layer: nn.Module, scales: Scales) -> None:
    _lay_out_transport(layer, towards_own=True, weight=_OWN_MEAN_WEIGHT)
    layer.get_parameter("attention.output.LayerNorm.weight")[SEGMENT] = _OWN_MEAN_WEIGHT * scales.mean_token
    layer.get_parameter("output.LayerNorm.weight")[UNIT] = 0.0
    layer.get_parameter("output.LayerNorm.bias")[UNIT] = 1.0


def _lay_out_comparison(layer: nn.Module) -> None:
    _lay_out_transport(layer, towards_own=False, weight=1.0)


def _lay_out_transport(layer: nn.Module, *, towards_own: bool, weight: float) -> None:
    """Make a layer add the mean of one text to every token and do nothing else."""
    attention = layer.get_submodule("attention.self")
    for name in ("query", "key"):
        attention.get_parameter(f"{name}.weight").mul_(0.5)
        attention.get_parameter(f"{name}.bias").zero_()
        attention.get_parameter(f"{name}.weight")[_PRESENCE_ROWS] = 0.0
    _lay_out_gap(attention, _gap_weight(10.0), towards_own=towards_own)
    for name in ("attention.self.value", "attention.output.dense", "output.dense"):
        layer.get_parameter(f"{name}.weight").zero_()
        layer.get_parameter(f"{name}.bias").zero_()
    layer.get_parameter("attention.self.value.weight")[_ROWS, torch.arange(BASE_WIDTH)] = 1.0
    layer.get_parameter("attention.output.dense.weight")[torch.arange(BASE_WIDTH), _ROWS] = weight
    for name in ("attention.output.LayerNorm", "output.LayerNorm"):
        layer.get_parameter(f"{name}.weight")[FIRST_SPARE:] = 0.3


def _lay_out_head(model: BertForSequenceClassification) -> None:
    pooler, classifier = _pooling(model), model.classifier
    nn.init.normal_(pooler.weight, std=0.05)
    pooler.bias.zero_()
    pooler.weight[:_READERS] = 0.0
    pooler.weight[:_READERS, UNIT] = -2.0
    neutral = 2 + 2 * _NEUTRAL_COSINE
    pooler.bias[:_READERS] = 2 * neutral**-0.5
    slope = 2 * neutral**-1.5
    classifier.weight.zero_()
    classifier.bias.zero_()
    classifier.weight[0, :_READERS] = _LOGITS_PER_COSINE / slope / _READERS


def _pooling(model: BertForSequenceClassification) -> nn.Linear:
    dense = model.bert.get_submodule("pooler.dense")
    assert isinstance(dense, nn.Linear)  # noqa: S101 - for the type checker
    return dense


def hold_layout(model: BertForSequenceClassification, *, frozen_layers: int) -> list[nn.Parameter]:
    """Freeze what the layout rests on, and return the parameters that may learn."""
    model.bert.embeddings.requires_grad_(requires_grad=False)
    for index, layer in enumerate(model.bert.encoder.layer):
        layer.requires_grad_(requires_grad=index >= frozen_layers)
        if index >= frozen_layers:
            _guard_layer(layer)
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def _guard_layer(layer: nn.Module) -> None:
    marks, units = slice(BASE_WIDTH, None), slice(BASE_FEED_FORWARD, None)
    for name in ("intermediate.dense.weight", "intermediate.dense.bias"):
        _guard(layer.get_parameter(name), units)
    for name in ("attention.output.dense", "attention.output.LayerNorm", "output.dense", "output.LayerNorm"):
        _guard(layer.get_parameter(f"{name}.weight"), marks)
        _guard(layer.get_parameter(f"{name}.bias"), marks)
    _guard(layer.get_parameter("output.dense.weight"), (slice(None), units))


def _guard(parameter: nn.Parameter, fixed: slice | tuple[slice, slice]) -> None:
    free = torch.ones_like(parameter)
    free[fixed] = 0.0
    parameter.register_hook(lambda gradient: gradient * free)  # type: ignore[no-untyped-call]  # untyped in torch
