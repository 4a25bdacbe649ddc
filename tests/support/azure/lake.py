"""OneLake, as far as reading goes: its dfs endpoint (list and read), behind the same login."""

from __future__ import annotations

import json
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

HOST = "onelake.dfs.fabric.microsoft.com"


@dataclass
class Lake:
    """``workspace/item/Files/...`` -> content."""

    files: dict[str, bytes] = field(default_factory=dict)

    def answer(self, path: str, query: dict[str, Any]) -> Any:
        """(status, JSON or bytes) of a GET, as Data Lake Storage Gen2 answers it."""
        place = path.strip("/")
        if query.get("resource") != "filesystem":
            found = self.files.get(place)
            return (200, found) if found is not None else (404, {"error": {"code": "PathNotFound"}})
        below = f"{place}/{query['directory'].strip('/')}"
        names = [n for n in self.files if n == below or n.startswith(below + "/")]
        return 200, {
            "paths": [
                {"name": name.partition("/")[2], "contentLength": str(len(self.files[name]))}
                for name in names
            ]
        }


def download(
    properties: dict[str, Any], path: str, folder: Path, way: dict[str, str], token: str
) -> None:
    """What Azure ML's compute does with a path of a OneLake datastore: list, then read."""
    import ssl

    context = ssl.create_default_context(cafile=way["SSL_CERT_FILE"])
    proxy = urllib.request.ProxyHandler({"https": way["HTTPS_PROXY"]})
    client = urllib.request.build_opener(proxy, urllib.request.HTTPSHandler(context=context))
    client.addheaders = [("Authorization", f"Bearer {token}"), ("x-ms-version", "2023-11-03")]
    base = f"{properties['endpoint'].rstrip('/')}/{properties['oneLakeWorkspaceName']}"
    directory = f"{properties['artifact']['artifactName']}/{path.strip('/')}"
    query = {"resource": "filesystem", "recursive": "true", "directory": directory}
    with client.open(f"{base}?{urlencode(query)}") as answer:
        names = [entry["name"] for entry in json.load(answer)["paths"]]
    for name in names:
        target = folder / (name.removeprefix(directory).strip("/") or Path(name).name)
        target.parent.mkdir(parents=True, exist_ok=True)
        with client.open(f"{base}/{quote(name)}") as answer:
            target.write_bytes(answer.read())
