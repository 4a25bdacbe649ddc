"""The login to Azure, and plain questions to its interfaces: what doctor asks.

Azure's SDK has no call for some of them (may I submit?), and takes seconds to import; its
azure-identity finds the login here as it does for a job.
"""

from __future__ import annotations

import logging
import threading
from typing import Any

from phi3scaffold.project.errors import FAILED_RUN, ScaffoldError
from phi3scaffold.targets.azureml.errors import AzureRefusal, AzureUnreachable, first_line

MANAGEMENT = "https://management.azure.com"
VAULT = "https://vault.azure.net"
SECONDS = 5.0  # for one answer


class AzureLogin:
    """The login that DefaultAzureCredential finds, found once; may be used by several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._credential: Any = None
        self._tokens: dict[str, str | ScaffoldError] = {}

    def token(self, resource: str) -> str:
        """Return an access token for a resource. Raises ScaffoldError: nobody is logged in."""
        with self._lock:
            if resource not in self._tokens:
                try:
                    self._tokens[resource] = self._ask(resource)
                except ScaffoldError as error:
                    self._tokens[resource] = error
            found = self._tokens[resource]
        if isinstance(found, ScaffoldError):
            raise found
        return found

    def _ask(self, resource: str) -> str:
        from azure.core.exceptions import AzureError
        from azure.identity import CredentialUnavailableError, DefaultAzureCredential

        logging.getLogger("azure").setLevel(logging.CRITICAL)
        if self._credential is None:
            self._credential = DefaultAzureCredential(process_timeout=10)
        try:
            return str(self._credential.get_token(f"{resource}/.default").token)
        except CredentialUnavailableError:
            raise ScaffoldError("Nobody is logged in to Azure") from None
        except AzureError as error:
            raise _why(str(getattr(error, "message", error))) from None

    def get(self, url: str, resource: str, query: dict[str, str]) -> dict[str, Any]:
        """Return a document. Raises AzureRefusal, AzureUnreachable, or what `token` raises."""
        import requests

        headers = {"Authorization": f"Bearer {self.token(resource)}"}
        try:
            answer = requests.get(url, query, headers=headers, timeout=SECONDS)
        except requests.RequestException as error:
            raise _unreachable(first_line(error), url) from None
        try:
            content = answer.json()
        except ValueError:
            content = {}
        content = content if isinstance(content, dict) else {}
        if not answer.ok:
            details = content.get("error")
            message = details.get("message") if isinstance(details, dict) else None
            raise AzureRefusal(answer.status_code, first_line(message or answer.reason), url)
        return content


def _why(message: str) -> ScaffoldError:
    """Return what the long message says about every way to log in that was tried."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    for line in lines:
        if "AADSTS" in line:  # Azure's own word
            return ScaffoldError(line[line.find("AADSTS") :])
    for line in lines:
        if "onnection" in line or "resolve" in line or "Max retries" in line:
            return _unreachable(line, "https://login.microsoftonline.com")
    return ScaffoldError("Nobody is logged in to Azure")


def _unreachable(what: str, where: str) -> AzureUnreachable:
    fix = "look at the network (HTTPS_PROXY, REQUESTS_CA_BUNDLE)"
    return AzureUnreachable(f"No answer: {what}", where=where, fix=fix, exit_code=FAILED_RUN)
