"""The hub's token inside a job: from Key Vault, by the job's managed identity, into this process.

It is never written, printed or handed to another program as an argument. The job itself carries
only the vault's address and the secret's name.
"""

from __future__ import annotations

import os

from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.targets.azureml.errors import first_line

URL, NAME = "KEY_VAULT_URL", "HF_TOKEN_SECRET_NAME"


def take_token() -> None:
    """Set HF_TOKEN where the job names a secret; without one, or with HF_TOKEN set, do nothing.

    Raises:
        ScaffoldError: the vault does not give it out; says which role is missing.
    """
    url, name = os.environ.get(URL), os.environ.get(NAME)
    if not url or not name or os.environ.get("HF_TOKEN"):
        return
    try:
        from azure.core.exceptions import AzureError
        from azure.identity import DefaultAzureCredential
        from azure.keyvault.secrets import SecretClient
    except ImportError:
        raise ScaffoldError(
            "The job's environment has no azure-keyvault-secrets.",
            where="setup/conda.yaml",
            fix="add it there, as `phi3scaffold new` does",
        ) from None
    try:
        value = SecretClient(url, DefaultAzureCredential()).get_secret(name).value
    except AzureError as error:
        raise ScaffoldError(
            f"Key Vault does not give out {name}: {first_line(error)}",
            where=url,
            fix="give the compute's managed identity the role Key Vault Secrets User: "
            "az role assignment create --role 'Key Vault Secrets User' --assignee IDENTITY "
            "--scope VAULT",
        ) from None
    if value:
        os.environ["HF_TOKEN"] = value
