"""The catalogue's facts, and what may stand beside them: any hub id, any local folder."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from phi3scaffold.cli import models
from phi3scaffold.models import catalogue
from phi3scaffold.project.errors import ScaffoldError
from tests.support.phi3_files import phi3_files

HUB = [entry for entry in catalogue.ENTRIES if entry.hub_id]


def test_names_and_ids_are_found_whatever_their_case() -> None:
    for entry in catalogue.ENTRIES:
        assert catalogue.find(entry.name) is entry
        assert catalogue.find(entry.name.upper()) is entry
    for entry in HUB:
        assert entry.hub_id and catalogue.find(entry.hub_id.lower()) is entry
    assert catalogue.find("phi-9") is None


def test_the_default_is_there() -> None:
    default = catalogue.find(catalogue.DEFAULT)
    assert default and default.name == "phi-3-mini-4k"


# As their model cards and the hub count them.
PUBLISHED = {
    "smollm2-135m": 134_515_008,
    "smollm2-360m": 361_821_120,
    "smollm2-1.7b": 1_711_376_384,
    "smollm3-3b": 3_075_098_624,
    "qwen2.5-0.5b": 494_032_768,
    "qwen2.5-1.5b": 1_543_714_304,
    "qwen3-0.6b": 596_049_920,
    "qwen3-1.7b": 1_720_574_976,
    "qwen3-4b": 4_022_468_096,
    "llama-3.2-1b": 1_235_814_400,
    "llama-3.2-3b": 3_212_749_824,
    "gemma-3-270m": 268_098_176,
    "gemma-3-1b": 999_885_952,
    "mistral-7b": 7_248_023_552,
    "phi-3-mini-4k": 3_821_079_552,
    "phi-3-mini-128k": 3_821_079_552,
    "phi-3.5-mini": 3_821_079_552,
    "phi-4-mini": 3_836_021_760,
    "phi-3-medium-4k": 13_960_238_080,
    "phi-3-medium-128k": 13_960_238_080,
    "phi-4": 14_659_507_200,
}


def test_the_shapes_have_the_published_numbers_of_weights() -> None:
    assert {entry.name: entry.parameters for entry in HUB} == PUBLISHED


@pytest.mark.parametrize(
    ("name", "context", "features"),
    [
        ("phi-3-mini-4k", 4096, ()),
        ("phi-3-mini-128k", 131072, ("longrope",)),
        (
            "phi-4-mini",
            131072,
            (
                "longrope",
                "grouped-query attention 24:8",
                "tied embeddings",
                "partial rotary 0.75",
            ),
        ),
        ("phi-3-medium-4k", 4096, ("grouped-query attention 40:10",)),
        (
            "llama-3.2-1b",
            131072,
            ("RoPE scaling llama3", "grouped-query attention 32:8", "tied embeddings"),
        ),
        ("mistral-7b", 32768, ("grouped-query attention 32:8",)),
    ],
)
def test_the_features(name: str, context: int, features: tuple[str, ...]) -> None:
    entry = catalogue.find(name)
    assert entry and entry.features == features and entry.context == context


def test_a_shape_says_of_its_layers_what_its_family_does() -> None:
    for entry in HUB:
        assert entry.shape
        own = (entry.shape.qkv_bias, entry.shape.qk_norms, entry.shape.layer_norms)
        family = entry.family
        assert own == (family.qkv_bias, family.qk_norms, family.layer_norms), entry.name


@pytest.mark.parametrize("entry", HUB, ids=lambda entry: entry.name)
def test_transformers_counts_the_same_weights(entry: catalogue.CatalogueEntry) -> None:
    """With its own class, of one layer and a hundred tokens, on no device."""
    torch = pytest.importorskip("torch")
    import transformers

    assert entry.shape
    shape = replace(entry.shape, layers=1, vocab=100)
    config = getattr(transformers, entry.family.config_class)(
        vocab_size=100,
        hidden_size=shape.hidden,
        intermediate_size=shape.intermediate,
        num_hidden_layers=1,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        head_dim=shape.head_dim,
        tie_word_embeddings=shape.tied,
        pad_token_id=0,
    )
    with torch.device("meta"):
        model = getattr(transformers, entry.family.architecture)(config)
    assert sum(weight.numel() for weight in model.parameters()) == shape.parameters


def test_every_entry_says_what_was_tested_and_what_was_not() -> None:
    for entry in HUB:
        assert entry.untested and (entry.weights_run or entry.has_mechanics) == bool(entry.tested)
        assert entry.stop_ids and entry.licence.id
        assert bool(entry.access) == entry.gated


def traits(entry: catalogue.CatalogueEntry) -> tuple[object, ...]:
    """Return what a random model has of a model: all but widths, depth and how many heads share."""
    shape = entry.shape
    assert shape
    sizes = (shape.vocab, shape.context, shape.original_context, shape.window, shape.tied)
    heads = (shape.kv_heads < shape.heads, shape.head_size, shape.partial_rotary, shape.rope)
    return (entry.family, entry.stop_ids, entry.system_turn, *sizes, *heads)


def test_an_entry_is_like_one_that_is_run() -> None:
    like = [entry for entry in HUB if entry.like]
    assert like
    for entry in like:
        other = catalogue.find(entry.like)
        assert other and other.mechanics_run and not entry.mechanics_run, entry.name
        assert traits(other) == traits(entry), entry.name


def test_a_gated_model_says_how_it_can_be_had() -> None:
    gated = [entry for entry in HUB if entry.gated]
    assert {entry.licence.id for entry in gated} == {"llama3.2", "gemma"}
    for entry in gated:
        assert entry.page in entry.access and "HF_TOKEN" in entry.access
        assert entry.licence.notice and entry.licence.duties


def test_no_commit_hash_is_shipped() -> None:
    import re

    for path in (catalogue.__file__, models.__file__):
        assert not re.search(r"\b[0-9a-f]{40}\b", Path(path).read_text(encoding="utf-8"))


def test_describe_takes_any_hub_id() -> None:
    entry = catalogue.describe("someone/phi-3-of-mine")
    assert (entry.hub_id, entry.ref, entry.shape) == ("someone/phi-3-of-mine",) * 2 + (None,)
    assert "not in the catalogue" in entry.notes and not entry.tested


@pytest.mark.parametrize("ref", ["phi-9", "a/b/c", "/", "someone/", "some one/x", ""])
def test_describe_refuses_what_is_no_ref(ref: str, tmp_path: Path) -> None:
    with pytest.raises(ScaffoldError):
        catalogue.describe(ref)


def test_describe_takes_a_local_folder(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes(phi3_files(tie_word_embeddings=True)["config.json"])
    entry = catalogue.describe(tmp_path)
    assert entry.features == ("tied embeddings",) and entry.hub_id is None
    assert entry.shape and entry.shape.hidden == 128


def test_describe_names_the_architecture_it_found(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes(phi3_files(architectures=["Gemma"])["config.json"])
    with pytest.raises(ScaffoldError, match="Gemma"):
        catalogue.describe(str(tmp_path))


def test_describe_names_a_missing_size(tmp_path: Path) -> None:
    config = json.loads(phi3_files()["config.json"])
    del config["hidden_size"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ScaffoldError, match="hidden_size"):
        catalogue.describe(tmp_path)


def run(*arguments: str) -> str:
    command = [sys.executable, "-m", "phi3scaffold", "models", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def test_models_fits_a_small_terminal_with_its_prompt() -> None:
    lines = run().splitlines()
    assert "\x1b" not in "".join(lines)
    assert len(lines) < 24 and max(map(len, lines)) <= 80


def test_every_model_has_its_place_in_the_table() -> None:
    names = [line.partition("  ")[0] for line in models.table()]
    written = []
    for name in names:
        first, *others = name.split(", ")
        written += [first, *(first.rpartition("-")[0] + other for other in others)]
    assert {entry.name for entry in catalogue.ENTRIES} < set(written)


def test_the_table_says_what_was_tested() -> None:
    said = {line.split()[0].rstrip(","): line.split()[-1] for line in models.table()}
    assert said["tiny"] == "yes" and said["phi-3-mini-4k"] == "mechanics"


def test_the_table_names_the_licence_and_the_gate() -> None:
    [line] = [line for line in models.table() if line.startswith("llama-3.2-1b")]
    assert "1.2B" in line and "Llama 3.2, gated" in line


def test_models_shows_one_model() -> None:
    text = run("gemma-3-1b")
    assert max(map(len, text.splitlines())) <= 80
    for part in ("999,885,952", "1.9 GiB", "32,768 tokens", "qlora", "HF_TOKEN", "Gemma Terms"):
        assert part in " ".join(text.split()), part
    assert json.loads(run("gemma-3-1b", "--json"))["gated"] is True


def test_models_shows_a_folder_of_this_machine(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes(phi3_files()["config.json"])
    assert "qkv_proj" in run(str(tmp_path)) and "unknown" in run(str(tmp_path))


def test_a_name_that_is_not_there_has_its_neighbours_in_the_message() -> None:
    with pytest.raises(ScaffoldError) as error:
        catalogue.describe("qwen3-1.7")
    assert "did you mean qwen3-1.7b" in str(error.value.fix)


def test_models_prints_json() -> None:
    content = json.loads(run("--json"))
    assert [entry["name"] for entry in content] == [entry.name for entry in catalogue.ENTRIES]
    assert [entry["hub_id"] for entry in content if entry["default"]] == [catalogue.DEFAULT]
    assert all(isinstance(entry["features"], list) for entry in content)
    assert all(one["training_gb"]["qlora"] <= one["training_gb"]["lora"] for one in content)


def test_the_catalogue_is_light() -> None:
    code = "import sys, phi3scaffold.models.catalogue, phi3scaffold.cli.models; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout
    assert not {"torch", "transformers", "huggingface_hub", "rich"} & set(loaded.split())
