"""Whether ONNX Runtime GenAI can compile a JSON schema, tried without the model's weights.

The grammar depends on the tokenizer alone. So the folder is opened with another graph in the place
of its own: one without weights, for which every token is as likely as any other.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from phi3scaffold.inference.json_schema import BadSchema, grammar
from phi3scaffold.project.files import read_json

# An ONNX file: logits of zero in the shape of input_ids and the vocabulary, whose size stands where
# VOCABULA stands. tests/inference/test_grammar_check.py builds it with the onnx package.
GRAPH = (
    b'\x08\x08:\xab\x01\n\x15\n\tinput_ids\x12\x01s"\x05Shape\n\x1e\n\x01s\n\x01v\x12\x01t"\x06'
    b'Concat*\x0b\n\x04axis\x18\x00\xa0\x01\x02\n\x1c\n\x01t\x12\x06logits"\x0fConstantOfShape'
    b"\x12\x01g*\x11\x08\x01\x10\x07B\x01vJ\x08VOCABULAZ\x1d\n\tinput_ids\x12\x10\n\x0e\x08\x07"
    b"\x12\n\n\x03\x12\x01b\n\x03\x12\x01sb\x1f\n\x06logits\x12\x15\n\x13\x08\x01\x12\x0f\n\x03"
    b"\x12\x01b\n\x03\x12\x01s\n\x03\x12\x01vB\x04\n\x00\x10\x11"
)
SIZE = b"VOCABULA"  # eight bytes, as the number has
NAME = "grammar.onnx"


class GrammarCheck:
    """The tokenizer of one ONNX form's folder, over a graph without weights."""

    def __init__(self, folder: Path) -> None:
        os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # before the import: it is on by default
        import onnxruntime_genai

        self._genai: Any = onnxruntime_genai
        words = int(read_json(folder / "genai_config.json")["model"]["vocab_size"])
        config = onnxruntime_genai.Config(str(folder))
        config.clear_providers()
        decoder = {"filename": NAME, "num_hidden_layers": 0}
        config.overlay(json.dumps({"model": {"type": "llama", "decoder": decoder}}))
        config.add_model_data(NAME, GRAPH.replace(SIZE, words.to_bytes(8, "little")))
        self._model: Any = onnxruntime_genai.Model(config)

    def check(self, schema: str) -> None:
        """Compile a schema and choose one token with it. Raises BadSchema."""
        import numpy as np

        params = self._genai.GeneratorParams(self._model)
        params.set_search_options(batch_size=1, max_length=4, num_beams=1, do_sample=False)
        try:
            params.set_guidance("lark_grammar", grammar(schema))
            generator = self._genai.Generator(self._model, params)
            generator.append_tokens(np.array([[0]], dtype=np.int32))
            generator.generate_next_token()
        except RuntimeError as error:
            raise BadSchema.of(error) from None
