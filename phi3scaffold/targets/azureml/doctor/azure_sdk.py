"""Azure's SDK is installed, where jobs go to Azure.

azure-ai-ml and azure-identity submit a job, follow it and fetch its results.

To fix it: `make setup` installs them with the other packages of such a project.
"""

from __future__ import annotations

from collections.abc import Iterator

from phi3scaffold.project.findings import Finding
from phi3scaffold.targets.doctor_context import DoctorContext

ID = "D23-azure-sdk"
PACKAGES = ("azure-ai-ml", "azure-identity")


def check(context: DoctorContext) -> Iterator[Finding]:
    one = context.environments[0]
    where = f"{one.name}: {one.folder}"
    missing = [name for name in PACKAGES if one.installed(name) is None]
    if missing:
        message = f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed"
        yield Finding(ID, "error", message, where=where, fix=context.setup)
    else:
        message = ", ".join(f"{name} {one.installed(name)}" for name in PACKAGES)
        yield Finding(ID, "ok", message, where=where)
