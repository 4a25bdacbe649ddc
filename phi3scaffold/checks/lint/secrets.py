"""No file of the project holds a key, a token or a password.

The check reads the files that git tracks or would track; .env is not among them, and is the place
for secrets on this machine. It knows the shape of keys of Hugging Face, Azure (account keys, SAS
signatures, client secrets), AWS, GitHub, Google, OpenAI and others, private keys, and values of
`password=` and the like. `phi3scaffold data` checks the rows.

To fix it: remove and revoke it; once committed, it stays in the history. A hub token belongs into
`hf auth login` or the environment, for jobs into Key Vault (`hf_token_secret`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from phi3scaffold.checks.lint_context import DATASET, LintContext
from phi3scaffold.datasets.private_data import find_secrets
from phi3scaffold.project.findings import Finding

ID = "L20-secrets"
ENV = re.compile(r"(?:.*/)?\.env(?:\.(?!example$|sample$|template$).*)?")
FIX = "take it out and revoke it; keep it in the environment, or in Key Vault for jobs"


def check(context: LintContext) -> Iterator[Finding]:
    for name in sorted(context.tracked or ()):
        if ENV.fullmatch(name):
            what = "git tracks the file for secrets."
            yield Finding(ID, "error", what, name, f"git rm --cached {name}; revoke what is in it")
    for name in context.files:
        if name.startswith("datasets/") and name != DATASET:
            continue  # rows: the data stage's
        text = context.text(name)
        if text is None or not find_secrets(text):
            continue
        for number, line in enumerate(text.splitlines(), 1):
            for kind in sorted(find_secrets(line)):
                what = f"This looks like a secret: {kind}."
                yield Finding(ID, "error", what, f"{name}:{number}", FIX)
