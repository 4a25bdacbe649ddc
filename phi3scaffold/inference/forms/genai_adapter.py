"""Several adapters over one ONNX base, swapped at run time by ONNX Runtime GenAI."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from phi3scaffold.conversion.adapter_file import ONNX_ADAPTERS, ONNX_WEIGHTS
from phi3scaffold.inference.forms.genai import GenaiForm
from phi3scaffold.models.prompt import Prompt
from phi3scaffold.project.errors import FAILED_RUN, ScaffoldError


class GenaiAdapterForm(GenaiForm):
    """One base, loaded once; `use` changes the adapter, and with it the prompt."""

    def __init__(
        self, folder: Path, adapter: str | None = None, prompt: Prompt | None = None
    ) -> None:
        adapter = adapter or adapter_names(folder)[0]
        super().__init__(folder, prompt or Prompt.load(_place(folder, adapter)), "onnx-adapter")
        self._adapters: Any = self._genai.Adapters(self._model)
        self._prompts: dict[str, Prompt] = {}  # of every adapter that is loaded
        self._load(adapter)
        self.adapter = adapter

    def use(self, adapter: str) -> None:
        """Answer with this adapter and its prompt from now on.

        Its files are read only once: later ones may belong to another base.
        """
        self._load(adapter)
        self.adapter, self.prompt = adapter, self._prompts[adapter]
        self._stop = frozenset({*self.prompt.stop, *map(int, self._tokenizer.eos_token_ids)})

    def close(self) -> None:
        self._adapters = None  # it holds the model
        super().close()

    def _before_reading(self, generator: Any) -> None:
        generator.set_active_adapter(self._adapters, self.adapter)

    def _load(self, adapter: str) -> None:
        if adapter in self._prompts:
            return
        place = _place(self.folder, adapter)
        prompt = Prompt.load(place)
        try:
            self._adapters.load(str(place / ONNX_WEIGHTS), adapter)
        except Exception as error:
            raise ScaffoldError(
                f"ONNX Runtime GenAI cannot load the adapter: {error}",
                where=place / ONNX_WEIGHTS,
                fix="make it again: phi3scaffold adapters",
                exit_code=FAILED_RUN,
            ) from error
        self._prompts[adapter] = prompt


def adapter_names(folder: Path) -> list[str]:
    """Return the names of a form's adapters, at least one."""
    names = sorted(file.parent.name for file in folder.glob(f"{ONNX_ADAPTERS}/*/{ONNX_WEIGHTS}"))
    if not names:
        raise ScaffoldError(
            "There is no adapter here.",
            where=folder / ONNX_ADAPTERS,
            fix="make them again: phi3scaffold adapters",
        )
    return names


def _place(folder: Path, adapter: str) -> Path:
    """Return the folder of one adapter of a form."""
    there = adapter_names(folder)
    if adapter not in there:
        raise ScaffoldError(
            f"There is no adapter {adapter!r}; there are: {', '.join(there)}.",
            where=folder / ONNX_ADAPTERS,
            fix="one of these; or name it in project.yaml, then: phi3scaffold adapters",
        )
    return folder / ONNX_ADAPTERS / adapter
