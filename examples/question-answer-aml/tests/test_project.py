"""Checks of the project's own files. No model, no network, no GPU: `make test`."""

import json
import re
import unittest
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
TRAINING = ("LoRA", "QLoRA")


def dataset():
    return yaml.safe_load((ROOT / "datasets" / "dataset.yaml").read_text(encoding="utf-8"))


def files(spec):
    held_out = spec["files"].get("held_out", 0.2)
    return [*spec["files"]["train"], *(held_out if isinstance(held_out, list) else [])]


def rows(name):
    from phi3scaffold.rows.read import read_rows

    return list(read_rows((ROOT / "datasets" / name,)))


class Settings(unittest.TestCase):
    def test_project_yaml(self):
        from phi3scaffold.project import load_project

        self.assertEqual(load_project(ROOT).root, ROOT)

    def test_dataset_yaml(self):
        from phi3scaffold.rows.spec import load_spec

        self.assertTrue(load_spec(ROOT / "datasets" / "dataset.yaml").train)


class Rows(unittest.TestCase):
    def test_files_exist_and_hold_rows(self):
        for name in files(dataset()):
            with self.subTest(name):
                self.assertTrue(rows(name))

    def test_columns(self):
        spec = dataset()
        if spec.get("messages"):
            wanted = {spec["messages"]}
        else:
            texts = [text for turn in spec["turns"] for text in turn.values()]
            wanted = {column for text in texts for column in re.findall(r"{([^{}]+)}", text)}
        for name in files(spec):
            for row in rows(name):
                self.assertLessEqual(wanted, set(row.values), row.place)

    def test_labels(self):
        spec = dataset()
        if spec["task"] != "classify":
            self.skipTest("no labels in this task")
        column = spec["turns"][1]["assistant"].strip("{}")
        for name in files(spec):
            for row in rows(name):
                self.assertIn(row.values[column], ["", *map(str, spec["labels"])], row.place)


class OliveConfig(unittest.TestCase):
    def setUp(self):
        path = ROOT / "fine-tuning" / "olive-config.json"
        self.config = json.loads(path.read_text(encoding="utf-8"))

    def test_passes_stand_in_order(self):
        types = [settings["type"] for settings in self.config["passes"].values()]
        self.assertIn(types[0], TRAINING)
        self.assertEqual(types[1], "MergeAdapterWeights")
        self.assertEqual(types[-1], "ModelBuilder")

    def test_paths_stay_inside_the_project(self):
        self.assertEqual(self.config["input_model"]["model_path"], "model-cache/base")
        for key in ("cache_dir", "output_dir"):
            self.assertFalse(Path(self.config[key]).is_absolute(), key)

    def test_no_keys_that_olive_ignores(self):
        """Names from older versions of Olive and transformers: they would do nothing, silently."""
        passes = self.config["passes"].values()
        training = next(settings for settings in passes if settings["type"] in TRAINING)
        self.assertFalse({"lora_r", "lora_alpha", "eval_dataset_size"} & set(training))
        arguments = set(training.get("training_args", {}))
        self.assertFalse(arguments & {"warmup_ratio", "group_by_length", "evaluation_strategy"})

    def test_olive_knows_every_key(self):
        """Olive's own validation; a key that it would ignore is an error. Takes some seconds."""
        from phi3scaffold.runtime import environment

        environment.prepare()
        try:
            import olive  # noqa: F401
        except ImportError:
            self.skipTest("Olive is not installed here")
        from phi3scaffold.runtime.olive.config import load_config
        from phi3scaffold.runtime.olive.run import load_run_config

        load_run_config(load_config(ROOT / "fine-tuning" / "olive-config.json"), ROOT)

    def test_no_remote_code(self):
        self.assertNotIn("trust_remote_code", json.dumps(self.config))
        for settings in self.config["passes"].values():
            if settings["type"] == "ModelBuilder":
                self.assertIs(settings["extra_options"]["hf_remote"], False)


class Scripts(unittest.TestCase):
    def test_they_compile(self):
        for path in [*ROOT.glob("inferences/*.py"), *ROOT.glob("fine-tuning/*.py")]:
            with self.subTest(path.name):
                compile(path.read_text(encoding="utf-8"), str(path), "exec")


class Prompt(unittest.TestCase):
    """Where the base model is there: the first row, as the model will see it."""

    def test_it_renders(self):
        from phi3scaffold.rows.spec import load_spec

        if not (ROOT / "model-cache" / "base" / "tokenizer.json").is_file():
            self.skipTest("no base model yet: `phi3scaffold model` fetches it")
        try:
            from phi3scaffold.rows.turns import conversations
            from phi3scaffold.runtime.data.render import load_tokenizer
        except ImportError:
            self.skipTest("the training packages are not installed here")
        spec = load_spec(ROOT / "datasets" / "dataset.yaml")
        tokenizer = load_tokenizer(ROOT / "model-cache" / "base")
        kept, _ = conversations(rows(spec.train[0])[:20], spec)
        text = tokenizer.apply_chat_template(kept[0].messages, tokenize=False)
        self.assertIn(kept[0].answer, text)


if __name__ == "__main__":
    unittest.main()
