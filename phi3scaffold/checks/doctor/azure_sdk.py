"""Azure's SDK is installed, where jobs go to Azure.

Submitting a job, following it and bringing back what it made need azure-ai-ml and azure-identity.

To mend it: `make setup` installs them with the other packages of such a project.
"""

from __future__ import annotations

from collections.abc import Iterator

from phi3scaffold.checks.azure import project_of
from phi3scaffold.checks.doctor_context import Scene
from phi3scaffold.checks.verdict import Verdict

ID = "D23-azure-sdk"
PACKAGES = ("azure-ai-ml", "azure-identity")


def check(scene: Scene) -> Iterator[Verdict]:
    if project_of(scene) is None:
        return
    one = scene.environments[0]
    where = f"{one.name}: {one.folder}"
    missing = [name for name in PACKAGES if one.installed(name) is None]
    if missing:
        told = f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed"
        yield Verdict(ID, "error", told, where=where, fix=scene.setup)
    else:
        told = ", ".join(f"{name} {one.installed(name)}" for name in PACKAGES)
        yield Verdict(ID, "ok", told, where=where)
