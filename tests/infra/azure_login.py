"""Stand-ins for an `az` or `azd` with a signed-in user: they print an access token."""

from __future__ import annotations

import json
import shlex
import time
from pathlib import Path

from tests.support.https_storage import ENTRA, storage_token


def signed_in(folder: Path, program: str, *, issuer: str = ENTRA) -> dict[str, str]:
    """An environment whose `az` or `azd` prints a storage token of this issuer, whatever its arguments."""
    expires_on = time.time() + 3600
    token = storage_token(issuer=issuer)
    answer: dict[str, object]
    if program == "az":
        credential = "AzureCliCredential"
        answer = {"accessToken": token, "expires_on": int(expires_on), "tenant": "tenant", "tokenType": "Bearer"}
    else:
        credential = "AzureDeveloperCliCredential"
        answer = {"token": token, "expiresOn": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(expires_on))}
    script = folder / "bin" / program
    script.parent.mkdir()
    script.write_text(f"#!/bin/sh\necho {shlex.quote(json.dumps(answer))}\n")
    script.chmod(0o755)
    return {"PATH": f"{script.parent}:/usr/bin:/bin", "AZURE_TOKEN_CREDENTIALS": credential}
