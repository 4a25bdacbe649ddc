"""The page of the base models, from the catalogue and the families."""

from __future__ import annotations

from phi3scaffold.cli.models import HEAD, cells, grouped
from phi3scaffold.models.catalogue import DEFAULT, ENTRIES, find
from phi3scaffold.models.families.registry import FAMILIES
from reference.markdown import table

INTRODUCTION = """\
# Base models

What `phi3scaffold models` lists, and `phi3scaffold models NAME` in full. The default is
`{default}`.

"""
COLUMNS = """
- **lora, qlora**: the least memory that training takes on a CPU, estimated from the model's shape:
  weights, adapter, optimizer, and a pass whose layers all recompute their activations. If more
  memory is free, training uses it and is faster. `dora`, `loha` and `lokr` take about as much as
  `lora`.
- **tested**: *yes*, its real weights go through the whole pipeline in the test suite; *mechanics*,
  a small random model with its features goes through LoRA, QLoRA, merge, int4 and token identity
  there, and its real weights were not run; *no*, neither.
- **gated**: the hub gives the weights to people who have accepted the licence on the model's page.
  Accept it there, create a token of your account, and set it as `HF_TOKEN` in the environment of
  `phi3scaffold model`; no command takes a token as an option, and it is never written to a file.

## Other models

`--model` takes any hub id and any local folder whose config.json names one of these architectures,
with unquantized safetensors, tokenizer.json and a chat template. Where a config cannot be read, the
name of the hub id tells the family.

"""
LICENCES = """
## Licences that ask for something

The model card of a project has the notice and the duties; the terms themselves decide.

"""


def models() -> str:
    """Return the page of the base models, their families and their licences."""
    default = find(DEFAULT)
    assert default is not None
    head = ("`--model`", *HEAD[1:], "features")
    rows = []
    for alike in grouped():
        _, *others = cells(alike)
        ids = ", ".join(f"[{one.name}]({one.page})" if one.hub_id else one.name for one in alike)
        features = ", ".join(dict.fromkeys(part for one in alike for part in one.features))
        rows.append((ids, *others, features or "plain"))
    families = (
        (
            family.title,
            f"`{family.architecture}`",
            ", ".join(f"`{name}`" for name in family.target_modules),
            ", ".join(family.layers) or "plain",
            "; ".join(family.template_features),
        )
        for family in FAMILIES
    )
    licences = {entry.licence for entry in ENTRIES if entry.licence.notice}
    terms = (
        (f"[{one.title}]({one.url})", one.notice, one.duties)
        for one in sorted(licences, key=lambda one: one.title)
    )
    return "".join(
        (
            INTRODUCTION.format(default=default.name),
            table(head, rows),
            COLUMNS,
            table(("Family", "Architecture", "Adapters on", "Layers", "Chat templates"), families),
            LICENCES,
            table(("Licence", "Notice", "Duties"), terms),
        )
    )
