"""Azure on the loopback interface: enough of its own protocols for the unmodified SDK.

`Loopback` (loopback.py) starts it all. A CONNECT proxy hands real host names to local servers
behind a private certificate authority: Azurite for blobs, `Service` for the rest (login, Azure
Resource Manager, Key Vault). A job that is submitted is truly run, by `Worker`.

What it cannot show: quota, building images, mounts, access rights, the timing of real states.
"""
