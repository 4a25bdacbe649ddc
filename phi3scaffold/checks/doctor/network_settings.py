"""The environment variables for network access are valid.

HTTPS_PROXY and its like must be addresses. SSL_CERT_FILE, REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE
must name existing files, or every connection fails. HF_ENDPOINT, where it is set, is the address
of another hub.

To fix it: unset or correct the variable.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from phi3scaffold.project.findings import Finding
from phi3scaffold.targets.doctor_context import DoctorContext

ID = "D18-network-settings"
PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY")
FILES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
SCHEMES = ("http", "https", "socks4", "socks4a", "socks5", "socks5h")


def check(context: DoctorContext) -> Iterator[Finding]:
    here, values, wrong = context.environments[0], [], False
    for name in (*PROXIES, *(proxy.lower() for proxy in PROXIES), "HF_ENDPOINT"):
        value = os.environ.get(name)
        if not value:
            continue
        host = _host(value, ("http", "https") if name == "HF_ENDPOINT" else SCHEMES)
        if host is None:
            wrong = True
            hub = name == "HF_ENDPOINT"
            example = "https://hub.example" if hub else "http://proxy.example:8080"
            fix = f"export {name}={example}, or unset {name}"
            yield Finding(ID, "error", f"{name} is no address", where=name, fix=fix)
        elif value.startswith("socks") and not here.installed("socksio"):
            wrong = True
            what = f"{name} is a SOCKS proxy, and socksio is not installed: the hub cannot be asked"
            fix = f"{here.python} -m pip install socksio pysocks; or unset {name}"
            yield Finding(ID, "error", what, where=name, fix=fix)
        else:
            values.append(f"{name} {host}")
    for name in FILES:
        value = os.environ.get(name)
        if value and not Path(value).exists():
            wrong = True
            what = f"{name} names a file that is not there: every connection fails"
            yield Finding(ID, "error", what, where=value, fix=f"unset {name}, or correct the path")
        elif value:
            values.append(f"{name} {value}")
    if not wrong:
        yield Finding(ID, "ok", ", ".join(values) or "none is set")


def _host(value: str, schemes: tuple[str, ...]) -> str | None:
    """Return the host and port of an address, never its user and password, or None."""
    try:
        parts = urlsplit(value if "://" in value else f"http://{value}")
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return None
    return f"{parts.hostname}{port}" if parts.scheme in schemes and parts.hostname else None
