"""What to do about a failed installation by pip, npm, venv and others, by what they printed.

Standard library only: dev.py runs without packages.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from local.files import AGAIN

# The first that occurs anywhere in the output: pip goes on after a failed connection, and in the end finds no version.
_REMEDIES = {
    "ensurepip is not available|No module named '?ensurepip": (
        "On Debian and Ubuntu, install the package python3-venv"
    ),
    "subprocess-exited-with-error|metadata-generation-failed|Failed (to build|building wheel)": (
        "A package has no wheel for this Python on this system, and cannot be compiled here. Use Python 3.11 to 3.14"
    ),
    "invalid path: |Ignoring extra certs from": (
        "PIP_CERT, REQUESTS_CA_BUNDLE or NODE_EXTRA_CA_CERTS names a file that cannot be read. Correct it"
    ),
    "CERTIFICATE_VERIFY_FAILED|self[- _]signed[- _]cert|unable[ _]to[ _](get|verify)[^:]*[ _](cert|signature)"
    "|cert(ificate)?[ _]has[ _]expired|ERR_TLS_CERT": (
        "The certificate of the server is not trusted. If a proxy inspects TLS, set PIP_CERT and "
        "NODE_EXTRA_CA_CERTS to a PEM file with its certificate"
    ),
    "ProxyError|Tunnel connection failed|407 Proxy|tunneling socket": (
        "The proxy cannot be used. Compare HTTPS_PROXY, HTTP_PROXY and NO_PROXY with the settings of your network"
    ),
    r"\b40[13] Client Error|\bE40[13]\b": (
        "The server refuses access. Compare its address and credentials in pip's and npm's configuration with "
        "those of your network"
    ),
    "EINTEGRITY|DO NOT MATCH THE HASHES": (
        "A downloaded file is not the published one. Delete the cache by `pip cache purge` or `npm cache clean --force`"
    ),
    "name resolution|Name or service not known|nodename nor servname|getaddrinfo|No address associated"
    "|NameResolutionError": (
        "The name of the server cannot be resolved. Connect this machine to the internet, or behind a proxy set "
        "HTTPS_PROXY"
    ),
    "ConnectTimeoutError|NewConnectionError|ReadTimeoutError|Read timed out|Network is unreachable|Connection refused"
    "|ECONN(REFUSED|RESET)|E?TIMEDOUT|ENETUNREACH|EHOSTUNREACH|network timeout|SOCKET_TIMEOUT": (
        "The server cannot be reached. Connect this machine to the internet, or behind a proxy set HTTPS_PROXY"
    ),
    r"\(from versions: none\)": (
        "The package index cannot be reached, or has no version of the package for this Python. Compare its address "
        "with that of your network"
    ),
}

GO_ON = f"The reason is above. Remove it, {AGAIN}"


def remedy(output: Sequence[str]) -> str | None:
    """What to do about a failed command with this output, in one line; None if no cause is known."""
    text = "\n".join(output)
    for pattern, action in _REMEDIES.items():
        if re.search(pattern, text, re.IGNORECASE):
            return f"{action}, {AGAIN}"
    return None
