"""Several adapters over one ONNX base, swapped at run time by ONNX Runtime GenAI."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from phi3scaffold.errors import FAILED_RUN, ScaffoldError
from phi3scaffold.runtime.forms.genai import GenaiForm
from phi3scaffold.runtime.prompt import Prompt

ADAPTERS = "adapters"  # in it, for each adapter, a folder of its name
WEIGHTS = "weights.onnx_adapter"


class GenaiAdapterForm(GenaiForm):
    """The base is loaded once; `use` changes the adapter, and with it the prompt."""

    def __init__(
        self, folder: Path, adapter: str | None = None, prompt: Prompt | None = None
    ) -> None:
        adapter = adapter or names(folder)[0]
        prompt = prompt or Prompt.load(_place(folder, adapter))
        super().__init__(folder, prompt, "onnx-adapter")
        self._adapters: Any = self._genai.Adapters(self._model)
        self._loaded: set[str] = set()
        self.adapter = self._load(adapter)

    def use(self, adapter: str) -> None:
        """Answer with this adapter and its prompt from now on.

        Raises:
            ScaffoldError: there is none of that name, or its file is damaged.
        """
        prompt = Prompt.load(_place(self.folder, adapter))
        self.adapter = self._load(adapter)
        self.prompt = prompt
        self._stop = frozenset({*prompt.stop, *map(int, self._tokenizer.eos_token_ids)})

    def close(self) -> None:
        self._adapters = None  # it holds the model
        super().close()

    def _before_reading(self, generator: Any) -> None:
        generator.set_active_adapter(self._adapters, self.adapter)

    def _load(self, adapter: str) -> str:
        path = _place(self.folder, adapter) / WEIGHTS
        if adapter not in self._loaded:
            try:
                self._adapters.load(str(path), adapter)
            except Exception as error:
                raise ScaffoldError(
                    f"ONNX Runtime GenAI cannot load the adapter: {error}",
                    where=path,
                    fix="make it again: phi3scaffold adapters",
                    exit_code=FAILED_RUN,
                ) from error
            self._loaded.add(adapter)
        return adapter


def names(folder: Path) -> list[str]:
    """The adapters of a form, at least one, by name."""
    names = sorted(file.parent.name for file in folder.glob(f"{ADAPTERS}/*/{WEIGHTS}"))
    if not names:
        raise ScaffoldError(
            "There is no adapter here.",
            where=folder / ADAPTERS,
            fix="make them again: phi3scaffold adapters",
        )
    return names


def _place(folder: Path, adapter: str) -> Path:
    """The folder of one adapter of a form."""
    there = names(folder)
    if adapter not in there:
        raise ScaffoldError(
            f"There is no adapter {adapter!r}; there are: {', '.join(there)}.",
            where=folder / ADAPTERS,
            fix="one of these; or name it in project.yaml, then: phi3scaffold adapters",
        )
    return folder / ADAPTERS / adapter
