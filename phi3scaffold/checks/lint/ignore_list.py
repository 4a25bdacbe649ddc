"""project.yaml's `lint.ignore` names existing checks.

```yaml
lint:
  ignore: [L19-tracked-files]          # no findings of these
lint:
  ignore: {L20-secrets: [docs/*.md]}   # none for some files
```

A wrong ID would silently exclude nothing, or hide the check that has this name now.

To fix it: the message names the nearest ID; `phi3scaffold lint --all` lists them.
"""

from __future__ import annotations

from collections.abc import Iterator

from phi3scaffold.checks.lint_context import LintContext, ignore_list
from phi3scaffold.checks.runner import load
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.findings import Finding
from phi3scaffold.project.layout import PROJECT_FILE
from phi3scaffold.project.near_names import did_you_mean

ID = "L04-ignore-list"


def check(context: LintContext) -> Iterator[Finding]:
    try:
        patterns = ignore_list(context)
    except ScaffoldError as error:
        yield context.finding(ID, error)
        return
    known = [module.ID for module in load("lint")]
    for index, identity in enumerate(patterns):
        if identity not in known:
            document = context.document(PROJECT_FILE)
            assert document is not None
            inside = document.get("lint", "ignore")
            place = document.at("lint", "ignore", index if isinstance(inside, list) else identity)
            fix = did_you_mean(identity, known, f"one of: {', '.join(known)}", 0.4)
            yield Finding(ID, "error", f"There is no check {identity!r}.", place, fix)
