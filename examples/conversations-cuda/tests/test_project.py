"""Checks of the project's own files. No model, no network, no GPU: `make test`."""

import json
import unittest
from itertools import islice
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FIRST = 1000  # rows of a file; `phi3scaffold data` reads all of them


def spec():
    from phi3scaffold.datasets.spec import load_spec

    return load_spec(ROOT / "datasets" / "dataset.yaml")


def rows_here(test):
    """Return the data files on this disk; skip the test if they are on the hub or in the cloud."""
    from phi3scaffold.project.errors import ScaffoldError
    from phi3scaffold.project.files import read_yaml

    job = ROOT / "fine-tuning" / "job.yml"
    inputs = read_yaml(job)["inputs"] if job.is_file() else {}
    try:
        files = spec().files
    except ScaffoldError:
        if not str(inputs.get("rows", {}).get("path", "")).startswith("azureml:"):
            raise
        files = []
    if not files:
        test.skipTest("the rows are on the hub or in the cloud")
    return files


def trains(kind):
    """Return whether a pass of this type trains."""
    from phi3scaffold.project.algorithms import algorithm_of

    return algorithm_of(kind) is not None


class Settings(unittest.TestCase):
    def test_project_yaml(self):
        from phi3scaffold.project.settings import load_project

        self.assertEqual(load_project(ROOT).root, ROOT)

    def test_dataset_yaml(self):
        self.assertTrue(spec().train)


class Rows(unittest.TestCase):
    def test_the_first_rows_of_each_file_become_conversations(self):
        """Check columns, labels and turns against dataset.yaml; an error names the row."""
        from phi3scaffold.datasets.conversations import Conversation, conversation
        from phi3scaffold.datasets.reader import read_rows

        for file in rows_here(self):
            with self.subTest(file.name):
                rows = islice(read_rows([file]), FIRST)
                made = [conversation(row, spec()) for row in rows]
                self.assertTrue(any(isinstance(one, Conversation) for one in made))


class OliveConfig(unittest.TestCase):
    def setUp(self):
        path = ROOT / "fine-tuning" / "olive-config.json"
        self.config = json.loads(path.read_text(encoding="utf-8"))

    def test_passes_stand_in_order(self):
        types = [settings["type"] for settings in self.config["passes"].values()]
        self.assertTrue(trains(types[0]), types[0])
        self.assertEqual(types[1], "MergeAdapterWeights")
        self.assertEqual(types[-1], "ModelBuilder")

    def test_paths_stay_inside_the_project(self):
        self.assertEqual(self.config["input_model"]["model_path"], "model-cache/base")
        for key in ("cache_dir", "output_dir"):
            self.assertFalse(Path(self.config[key]).is_absolute(), key)

    def test_no_keys_that_olive_ignores(self):
        """Refuse names of older versions of Olive and transformers, which are silently ignored."""
        passes = self.config["passes"].values()
        training = next(settings for settings in passes if trains(settings["type"]))
        self.assertFalse({"lora_r", "lora_alpha", "eval_dataset_size"} & set(training))
        arguments = set(training.get("training_args", {}))
        self.assertFalse(arguments & {"warmup_ratio", "group_by_length", "evaluation_strategy"})

    def test_olive_knows_every_key(self):
        """Validate the file with Olive; a key that it would ignore is an error."""
        from phi3scaffold.pipeline import environment

        environment.prepare()
        try:
            import olive  # noqa: F401
        except ImportError:
            self.skipTest("Olive is not installed here")
        from phi3scaffold.project.olive_config import load_config
        from phi3scaffold.training.olive_runner import load_run_config

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
    """The first row as the model sees it, if the base model is here."""

    def test_it_renders(self):
        if not (ROOT / "model-cache" / "base" / "tokenizer.json").is_file():
            self.skipTest("no base model yet: `phi3scaffold model` fetches it")
        try:
            from phi3scaffold.models.chat_template import load_tokenizer, render_chat
        except ImportError:
            self.skipTest("the training packages are not installed here")
        from phi3scaffold.datasets.conversations import Conversation, conversation
        from phi3scaffold.datasets.reader import read_rows

        tokenizer = load_tokenizer(ROOT / "model-cache" / "base")
        made = (conversation(row, spec()) for row in read_rows(rows_here(self)))
        first = next(row for row in made if isinstance(row, Conversation))
        text = render_chat(tokenizer, first.messages, to_answer=False)
        self.assertIn(first.answer, text)


if __name__ == "__main__":
    unittest.main()
