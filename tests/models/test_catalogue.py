"""The catalogue's facts, and what may stand beside them: any hub id, any local folder."""

from __future__ import annotations

import json
import subprocess
import sys
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


def test_the_issue_s_list_is_there() -> None:
    assert [entry.name for entry in catalogue.ENTRIES] == [
        "tiny",
        "phi-3-mini-4k",
        "phi-3-mini-128k",
        "phi-3.5-mini",
        "phi-4-mini",
        "phi-3-medium-4k",
        "phi-3-medium-128k",
    ]
    default = catalogue.find(catalogue.DEFAULT)
    assert default and default.name == "phi-3-mini-4k"


@pytest.mark.parametrize(
    ("name", "parameters", "context", "features"),
    [
        ("phi-3-mini-4k", 3_821_079_552, 4096, ()),
        ("phi-3-mini-128k", 3_821_079_552, 131072, ("longrope",)),
        ("phi-3.5-mini", 3_821_079_552, 131072, ("longrope",)),
        (
            "phi-4-mini",
            3_836_021_760,
            131072,
            (
                "longrope",
                "grouped-query attention 24:8",
                "tied embeddings",
                "partial rotary 0.75",
            ),
        ),
        ("phi-3-medium-4k", 13_960_238_080, 4096, ("grouped-query attention 40:10",)),
        (
            "phi-3-medium-128k",
            13_960_238_080,
            131072,
            ("longrope", "grouped-query attention 40:10"),
        ),
    ],
)
def test_the_numbers(name: str, parameters: int, context: int, features: tuple[str, ...]) -> None:
    entry = catalogue.find(name)
    assert entry and entry.parameters == parameters and entry.context == context
    assert entry.features == features
    assert entry.weights_gb == pytest.approx(parameters * 2 / 1024**3)


def test_every_entry_says_what_was_tested_and_what_was_not() -> None:
    for entry in HUB:
        assert "two-layer random" in entry.tested and "real weights" in entry.untested
        assert entry.licence == "MIT" and entry.stop_ids
        assert entry.target_modules == ("qkv_proj", "o_proj", "gate_up_proj", "down_proj")


def test_no_commit_hash_is_shipped() -> None:
    import re

    for path in (catalogue.__file__, models.__file__):
        assert not re.search(r"\b[0-9a-f]{40}\b", Path(path).read_text(encoding="utf-8"))


def test_describe_takes_any_hub_id() -> None:
    entry = catalogue.describe("someone/phi-3-of-mine")
    assert (entry.hub_id, entry.ref, entry.shape) == ("someone/phi-3-of-mine",) * 2 + (None,)
    assert "not in the catalogue" in entry.untested


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


def test_models_prints_plain_lines_without_a_terminal() -> None:
    lines = run().splitlines()
    assert "\x1b" not in "".join(lines)
    assert len(lines) < 25  # one screen
    for entry in catalogue.ENTRIES:
        assert any(line.startswith(entry.name + " ") for line in lines)


def test_models_prints_json() -> None:
    content = json.loads(run("--json"))
    assert [entry["name"] for entry in content] == [entry.name for entry in catalogue.ENTRIES]
    assert [entry["hub_id"] for entry in content if entry["default"]] == [catalogue.DEFAULT]
    assert all(isinstance(entry["features"], list) for entry in content)


@pytest.mark.parametrize("width", [80, 120])
def test_models_fits_a_terminal(
    width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    models.print_table()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 24 and max(map(len, lines)) <= width


def test_the_catalogue_is_light() -> None:
    code = "import sys, phi3scaffold.models.catalogue, phi3scaffold.cli.models; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout
    assert not {"torch", "transformers", "huggingface_hub", "rich"} & set(loaded.split())
