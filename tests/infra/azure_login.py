"""A developer who is signed in to Azure, as programs see it: an `az` that hands out tokens, and TLS to send them by."""

from __future__ import annotations

import datetime
import ipaddress
import json
import shlex
import time
from pathlib import Path

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from local.storage import Certificate


def certificate(folder: Path) -> Certificate:
    """A certificate for 127.0.0.1 that signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Azurite under test")])
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    files = Certificate(folder / "certificate.pem", folder / "key.pem")
    files.file.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    files.key.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return files


def signed_in(folder: Path, program: str, *, issuer: str = "https://sts.windows.net/tenant/") -> dict[str, str]:
    """An environment whose `az` or `azd` answers every question with a token for storage from this issuer."""
    now = int(time.time())
    claims = {"aud": "https://storage.azure.com", "iss": issuer, "iat": now, "nbf": now - 60, "exp": now + 3600}
    token = jwt.encode(claims, "a key that nobody checks, of length enough")
    expires_on = datetime.datetime.fromtimestamp(now + 3600, datetime.UTC)
    answer, credential = {
        "az": (
            {"accessToken": token, "expires_on": now + 3600, "tenant": "tenant", "tokenType": "Bearer"},
            "AzureCliCredential",
        ),
        "azd": (
            {"token": token, "expiresOn": expires_on.strftime("%Y-%m-%dT%H:%M:%SZ")},
            "AzureDeveloperCliCredential",
        ),
    }[program]
    script = folder / "bin" / program
    script.parent.mkdir()
    script.write_text(f"#!/bin/sh\necho {shlex.quote(json.dumps(answer))}\n")
    script.chmod(0o755)
    return {"PATH": f"{script.parent}:/usr/bin:/bin", "AZURE_TOKEN_CREDENTIALS": credential}
