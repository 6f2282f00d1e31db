"""Why a request got no response, in the app's own words.

The texts of the libraries contain urls, and the url of a shared access signature is a secret.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator

import requests
from urllib3.exceptions import (
    ConnectTimeoutError,
    NameResolutionError,
    NewConnectionError,
    ReadTimeoutError,
    SSLError,
)

# The first match counts: a NameResolutionError is a NewConnectionError.
_REASONS: tuple[tuple[tuple[type[BaseException], ...], str], ...] = (
    ((NameResolutionError,), "its host name cannot be resolved"),
    ((NewConnectionError, ConnectTimeoutError), "it accepts no connection"),
    ((ReadTimeoutError, requests.ReadTimeout), "it does not respond in time"),
    ((SSLError, ssl.SSLError, requests.exceptions.SSLError), "its TLS certificate is not trusted, or it has none"),
)
_OTHER_REASON = "the connection broke, or the answer is incomplete"


def no_response_reason(error: BaseException) -> str:
    """A clause that gives the reason, for the exception of any HTTP library of the app."""
    chain = list(_chain(error))
    for kinds, reason in _REASONS:
        if any(isinstance(part, kinds) for part in chain):
            return reason
    return _OTHER_REASON


def is_untrusted_certificate(error: BaseException) -> bool:
    """Whether the connection ended in the TLS handshake, before the request was sent."""
    return any(isinstance(part, ssl.SSLCertVerificationError) for part in _chain(error))


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The exception and those that it wraps: azure-core has them in `inner_exception`, requests in the arguments."""
    seen: list[BaseException] = []
    waiting: list[object] = [error]
    while waiting:
        part = waiting.pop(0)
        if isinstance(part, BaseException) and part not in seen:
            seen.append(part)
            yield part
            waiting += [part.__cause__, getattr(part, "inner_exception", None), *part.args]
