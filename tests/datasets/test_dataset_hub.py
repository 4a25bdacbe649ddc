"""Data sets of the hub, from a hub on the loopback interface."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.hub_server import HubServer

ROWS = b'{"question": "Why?", "answer": "So."}\n' * 3
CARD = "---\nconfigs:\n{}\n---\n# About\n"
# Runs command lines in one process: huggingface_hub reads its environment once, and starts slowly.
COMMANDS = """
import contextlib, io, json, sys
from phi3scaffold.__main__ import VERBS
from phi3scaffold.cli import main
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.datasets.dataset_hub import find
done = []
for words in json.loads(sys.argv[1]):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        if words[0] == "find":
            try:
                code, found = 0, find(words[1])
                print(json.dumps([found.commit, found.splits.named]))
            except ScaffoldError as error:
                code = error.exit_code
                print(error, file=sys.stderr)
        else:
            code = main(VERBS, words)
    done.append([code, out.getvalue(), err.getvalue()])
print(json.dumps(done))
"""


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with HubServer() as server:
        yield server


def run(
    folder: Path, hub: HubServer, *commands: tuple[str, ...], **env: str
) -> list[tuple[int, str, str]]:
    """Exit code, output and errors of each command."""
    done = subprocess.run(
        [sys.executable, "-c", COMMANDS, json.dumps(commands)],
        cwd=folder,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            "HF_ENDPOINT": hub.url,
            "HF_HOME": str(folder / "hf-home"),
            "HF_HUB_DOWNLOAD_TIMEOUT": "5",
            **env,
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [tuple(one) for one in json.loads(done.stdout.splitlines()[-1])]


def labelled_parquet(values: list[tuple[str, int]]) -> bytes:
    """As `datasets` writes it: the labels are numbers, their names stand in the schema."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    features = {
        "text": {"dtype": "string", "_type": "Value"},
        "label": {"names": ["neg", "pos"], "_type": "ClassLabel"},
    }
    schema = pa.schema(
        [("text", pa.string()), ("label", pa.int64())],
        metadata={"huggingface": json.dumps({"info": {"features": features}})},
    )
    rows = [{"text": text, "label": label} for text, label in values]
    stream = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), stream)
    return stream.getvalue()


# name -> (files, datasets' card, train, other splits) or (..., words of the error)
CHOSEN: dict[str, tuple[list[str], str, Any, Any]] = {
    "one file": (["alpaca.json"], "", ["alpaca.json"], {}),
    "one file called test": (["test.csv"], "", ["test.csv"], {}),
    "names": (
        ["data/train.jsonl", "data/test.jsonl", "data/dev.jsonl", "data/more.jsonl"],
        "",
        ["data/train.jsonl"],
        {"test": ["data/test.jsonl"], "validation": ["data/dev.jsonl"]},
    ),
    "parts": (
        ["train-00000-of-00002.parquet", "train-00001-of-00002.parquet"],
        "",
        ["train-00000-of-00002.parquet", "train-00001-of-00002.parquet"],
        {},
    ),
    "folders": (
        ["default/train/0000.parquet", "default/validation/0000.parquet"],
        "",
        ["default/train/0000.parquet"],
        {"validation": ["default/validation/0000.parquet"]},
    ),
    "numbered": (["x1.jsonl.gz", "x2.jsonl.gz"], "", ["x1.jsonl.gz", "x2.jsonl.gz"], {}),
    "a card of splits": (
        ["a/x.csv", "a/y.csv", "b.csv"],
        "- config_name: default\n  data_files:\n  - {split: train, path: 'a/x*'}\n"
        "  - {split: test, path: a/y.csv}",
        ["a/x.csv"],
        {"test": ["a/y.csv"]},
    ),
    "a card of one pattern": (
        ["a/x1.csv", "a/x2.csv", "b.csv"], "- data_files: '**/x*.csv'", ["a/x1.csv", "a/x2.csv"], {}
    ),
    "a card with a default": (
        ["en/train.csv", "fr/train.csv"],
        "- {config_name: fr, data_dir: fr}\n- {config_name: en, data_dir: en, default: true}",
        ["en/train.csv"],
        {},
    ),
    "a card that lists nothing": (["x.csv"], "- config_name: default", ["x.csv"], {}),
    "a broken card": (["x.csv"], "- [", ["x.csv"], {}),
    "several parts": (
        ["en/train.csv", "fr/train.csv"],
        "- {config_name: fr, data_dir: fr}\n- {config_name: en, data_dir: en}",
        2,
        ["several subsets (fr, en)", "en/train.csv, fr/train.csv", "--data 'hf://datasets/"],
    ),
    "two languages": (
        ["en/train.csv", "fr/train.csv"], "", 2, ["several files could be its train split"]
    ),
    "no train": (["test.csv", "validation.csv"], "", 2, ["no file is called train"]),
    "a script": (
        ["a-script.py", "data.tar.gz"],
        "",
        2,
        ["a-script.py", "never run", "@refs/convert/parquet"],
    ),
    "images": (
        ["a.png", ".hidden.csv", "dataset_infos.json"], "", 2, ["no supported data file", "a.png"]
    ),
}  # fmt: skip


def test_which_files_are_chosen(tmp_path: Path, hub: HubServer) -> None:
    ids = {}
    for name, (files, card, _, _) in CHOSEN.items():
        ids[name] = "some/" + name.replace(" ", "-")
        content = dict.fromkeys(files, ROWS)
        if card:
            content["README.md"] = CARD.format(card).encode()
        hub.add(f"datasets/{ids[name]}").commit(content)
    found = run(tmp_path, hub, *(("find", ids[name]) for name in CHOSEN))
    for name, (code, out, err) in zip(CHOSEN, found, strict=True):
        _, _, train, others = CHOSEN[name]
        if train == 2:
            assert code == 2, name
            assert all(word in err for word in others), (name, err)
        else:
            assert code == 0, (name, err)
            assert json.loads(out)[1] == {"train": train, **others}, name
    assert set(hub.downloads()) <= {"README.md"}  # only looked at


def test_a_part_is_named_by_its_path(tmp_path: Path, hub: HubServer) -> None:
    files = ["en/train.csv", "fr/train-1.csv", "fr/train-2.csv", "fr/test.csv"]
    repository = hub.add("datasets/some/parts")
    old = repository.commit({"old.csv": ROWS}, branch="refs/convert/parquet")
    repository.commit(dict.fromkeys(files, ROWS))
    address = "hf://datasets/some/parts"
    asked = (f"{address}/fr", f"{address}/*/train.csv", f"{address}/fr/train-1.csv",
             "some/parts@refs/convert/parquet", f"{address}/none")  # fmt: skip
    folder, pattern, file, branch, none = run(tmp_path, hub, *(("find", one) for one in asked))
    assert json.loads(folder[1])[1] == {"train": files[1:3], "test": [files[3]]}
    assert json.loads(pattern[1])[1] == {"train": [files[0]]}
    assert json.loads(file[1])[1] == {"train": [files[1]]}
    assert json.loads(branch[1])[0] == old
    assert none[0] == 2 and "no supported data file is at 'none'" in none[2]


READ = """
import json, sys
from pathlib import Path
from phi3scaffold.datasets.reader import Reading
from phi3scaffold.datasets.spec import load_spec
spec = load_spec(Path("proj/datasets/dataset.yaml"))
rows = [[row.place, row.values] for row in Reading(spec.sources)]
print(json.dumps([rows, [str(file) for file in spec.files]]))
"""


def test_a_project_keeps_the_commit_and_reads_offline(tmp_path: Path, hub: HubServer) -> None:
    repository = hub.add("datasets/some/tones")
    rows = [("Good.", 1), ("Bad.", 0)] * 3
    commit = repository.commit(
        {
            "data/train-00000-of-00001.parquet": labelled_parquet(rows),
            "data/test-00000-of-00001.parquet": labelled_parquet([("?", -1)]),
            "data/validation-00000-of-00001.parquet": labelled_parquet(rows[:2]),
            "README.md": b"# no front matter",
        }
    )
    new = ("new", "proj", "--data", "some/tones", "--defaults", "--no-git")
    ((code, said, error),) = run(tmp_path, hub, new)
    assert code == 0, error
    assert "--task classify fits" in said
    assert "20% of the train split is held out; not used: test (no answers)" in said
    dataset = yaml.safe_load((tmp_path / "proj/datasets/dataset.yaml").read_text())
    train = f"hf://datasets/some/tones@{commit}/data/train-00000-of-00001.parquet"
    validation = f"hf://datasets/some/tones@{commit}/data/validation-00000-of-00001.parquet"
    assert dataset["files"] == {"train": [train], "validation": [validation], "held_out": 0.2}
    assert dataset["labels"] == ["neg", "pos"]
    assert [path.name for path in (tmp_path / "proj/datasets").iterdir()] == ["dataset.yaml"]

    repository.commit({"data/train.parquet": b"other"})
    hub.requests.clear()
    environment = {**os.environ, "HF_HOME": str(tmp_path / "hf-home"), "HF_HUB_OFFLINE": "1"}
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    done = subprocess.run(
        [sys.executable, "-c", READ], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    read, files = json.loads(done.stdout)
    first, last = (name.replace(commit, commit[:12]) for name in (train, validation))
    assert read[0] == [f"{first}:1", {"text": "Good.", "label": "pos"}]
    assert read[-1] == [f"{last}:2", {"text": "Bad.", "label": "neg"}]
    assert (len(read), files, hub.requests) == (8, [], [])


def test_what_goes_wrong_is_said_and_leaves_nothing(tmp_path: Path, hub: HubServer) -> None:
    hub.add("datasets/some/rows").commit({"train.jsonl": ROWS})
    hub.add("datasets/some/gated").gated = True
    hub.repositories["datasets/some/gated"].commit({"train.jsonl": ROWS})
    hub.add("datasets/some/spoiled").commit({"train.jsonl": ROWS + b"{\n"})
    new = ("new", "deep/proj", "--defaults", "--data")
    said = {
        "some/nothing": (2, "some/nothing does not exist on the hub, or is private."),
        "some/gated": (2, f"accept its terms at {hub.url}/datasets/some/gated"),
        "some/rows@v9": (2, "some/rows has no revision 'v9'"),
        "hf://models/some/rows": (2, "is not a dataset on the hub"),
        "some/spoiled": (2, "/train.jsonl:4"),
    }
    for (code, words), (found, _, error) in zip(
        said.values(), run(tmp_path, hub, *((*new, name) for name in said)), strict=True
    ):
        assert (found, error.count("error:")) == (code, 1), error
        assert words in error and "Traceback" not in error
    away = run(tmp_path, hub, (*new, "some/rows"), HF_ENDPOINT="http://127.0.0.1:9")
    assert away[0][0] == 1 and "The hub cannot be reached" in away[0][2]
    offline = run(tmp_path, hub, (*new, "some/rows"), HF_HUB_OFFLINE="1")
    assert offline[0][0] == 2 and "HF_HUB_OFFLINE" in offline[0][2]
    assert not (tmp_path / "deep").exists()
