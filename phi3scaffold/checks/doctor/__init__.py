"""What `phi3scaffold doctor` looks at, in this order.

`check(scene)` yields a `Verdict` for each thing that it looked at, good or bad, and nothing where
it has no meaning for the project or the machine. One that asks the network says how long that may
take: `NETWORK_SECONDS`.
"""

CHECKS = (
    "project",
    "python",
    "environment",
    "wheel",
    "packages",
    "known_breaks",
    "processor",
    "cores",
    "gpu",
    "memory",
    "shared_memory",
    "disk",
    "writable",
    "paths",
    "encoding",
    "git",
    "make",
    "network_settings",
    "model",
    "hub",
    "hub_login",
    "clock",
    "azure_sdk",
    "azure_settings",
    "azure_job",
    "azure_login",
    "azure_workspace",
    "azure_role",
    "azure_compute",
    "azure_vault",
)
