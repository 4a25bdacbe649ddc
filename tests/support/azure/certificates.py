"""A certificate authority of our own, and one certificate for every host name of Azure."""

from __future__ import annotations

import datetime
import ipaddress
from pathlib import Path

HOSTS = (
    "login.microsoftonline.com",
    "management.azure.com",
    "*.blob.core.windows.net",
    "*.vault.azure.net",
    "*.dfs.fabric.microsoft.com",
)


def write_certificates(folder: Path) -> None:
    """Write ca.pem (what clients trust), server.pem and server.key into `folder`."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    now = datetime.datetime.now(datetime.UTC)

    def begin(
        subject: str, issuer: str, key: ec.EllipticCurvePrivateKey
    ) -> x509.CertificateBuilder:
        names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, n)]) for n in (subject, issuer)]
        return (
            x509.CertificateBuilder()
            .subject_name(names[0])
            .issuer_name(names[1])
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=7))
        )

    authority, server = (
        ec.generate_private_key(ec.SECP256R1()),
        ec.generate_private_key(ec.SECP256R1()),
    )
    whole = authority.public_key()
    usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
    ca = (
        begin("loopback authority", "loopback authority", authority)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(whole), critical=False)
        .sign(authority, hashes.SHA256())
    )
    addresses = [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    leaf = (
        begin("loopback", "loopback authority", server)
        .add_extension(
            x509.SubjectAlternativeName([*map(x509.DNSName, HOSTS), *addresses]), critical=False
        )
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(whole), critical=False)
        .sign(authority, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "ca.pem").write_bytes(ca.public_bytes(pem))
    (folder / "server.pem").write_bytes(leaf.public_bytes(pem))
    (folder / "server.key").write_bytes(
        server.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
