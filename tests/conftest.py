"""What every test may use."""

from __future__ import annotations

import phi3scaffold


def pytest_report_header() -> str:
    """Which phi3scaffold is tested: `make test` runs against the installed wheel."""
    return f"phi3scaffold {phi3scaffold.__version__} from {phi3scaffold.__file__}"
