"""Export a transformer's graph for infinity's ONNX engine; infinity's own Python runs it: onnx_export.py SOURCE TARGET.

optimum's command, which would do it, does not know the exporter of newer torch.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from transformers import AutoModel, AutoTokenizer

_INPUTS = ("input_ids", "attention_mask", "token_type_ids")


class Encoder(torch.nn.Module):
    """The transformer with its inputs in the order of their names."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        """The last hidden state, shape (texts, tokens, width)."""
        states: torch.Tensor = self.model(**dict(zip(_INPUTS, inputs, strict=True))).last_hidden_state
        return states


def export(source: str, target: Path, limit: int) -> None:
    """Write the graph, the configuration and the tokenizer into a folder.

    Args:
        source: folder of the model.
        target: the folder.
        limit: tokens at which texts are cut. This engine reads it where the positions' number stands.
    """
    target.mkdir(parents=True)
    tokenizer = AutoTokenizer.from_pretrained(source)
    # Plain attention: its pattern is what ONNX Runtime fuses.
    model = AutoModel.from_pretrained(source, attn_implementation="eager").eval()
    example = tokenizer(["two texts", "of different lengths, for tracing"], padding=True, return_tensors="pt")
    torch.onnx.export(
        Encoder(model),
        tuple(example[name] for name in _INPUTS),
        str(target / "model.onnx"),
        input_names=list(_INPUTS),
        output_names=["last_hidden_state"],
        dynamic_axes={name: {0: "batch_size", 1: "sequence_length"} for name in (*_INPUTS, "last_hidden_state")},
        opset_version=17,
        dynamo=False,
    )
    model.config.save_pretrained(target)
    tokenizer.save_pretrained(target)
    config = target / "config.json"
    changed = {**json.loads(config.read_text(encoding="utf-8")), "max_position_embeddings": limit}
    config.write_text(json.dumps(changed, indent=2), encoding="utf-8")


if __name__ == "__main__":
    export(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
