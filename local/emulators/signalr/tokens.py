"""Access tokens: who may call.

A token is a JWT signed with the access key (HS256) for one audience: the URL it is for. Microsoft's emulator checks
the signature only; here audience and expiry count as they do in Azure.
"""

from __future__ import annotations

import logging
import time

import jwt
from aiohttp import web

# The development key of Microsoft's emulator (asrs-emulator), so that one connection string serves for both.
DEVELOPMENT_KEY = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH"
ACCESS_KEY = web.AppKey("access_key", str)
TRUSTED_IDENTITY_TOKENS = web.AppKey("trusted_identity_tokens", frozenset[str])

# The service's limit, in characters.
MAX_TOKEN_LENGTH = 4096

# Names of this machine: the emulator listens at one, and its usual connection string says the other.
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1"})

PROBLEMS: dict[type[jwt.InvalidTokenError], str] = {
    jwt.InvalidSignatureError: "The signature is invalid",
    jwt.InvalidAlgorithmError: "The algorithm is not HS256",
    jwt.InvalidAudienceError: "The audience is invalid",
    jwt.ExpiredSignatureError: "The token is expired",
    jwt.ImmatureSignatureError: "The token is not valid yet",
    jwt.MissingRequiredClaimError: "The token lacks an audience or an expiry",
}

logger = logging.getLogger(__name__)


class InvalidTokenError(Exception):
    """A token is refused; the message is what the service puts into `error_description`."""


def authorize(request: web.Request, token: str | None, *resources: str) -> None:
    """Let the request pass if its token is for one of the resources: paths on this host, perhaps with a query.

    Raises `HTTPUnauthorized`, with the service's `WWW-Authenticate`.
    """
    try:
        check(token or "", request.app[ACCESS_KEY], audiences(request.host, _port(request), *resources))
    except InvalidTokenError as error:
        needed = f"http://{request.host}{resources[0]}"
        logger.warning(
            "401 %s %s: %s; it takes a token for %a", request.method, request.rel_url.raw_path, error, needed
        )
        challenge = f'Bearer error="invalid_token", error_description="{error}"' if token else "Bearer"
        raise web.HTTPUnauthorized(text=f"{error}.", headers={"WWW-Authenticate": challenge}) from error


def bearer_token(request: web.Request) -> str | None:
    """The token of the `Authorization` header, None where there is none."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def issue(request: web.Request, resource: str, seconds: int, user: str | None) -> str:
    """A token for a resource, a path on the host that was asked, which is valid from now on for so long."""
    now = int(time.time())
    claims = {"aud": f"http://{request.host}{resource}", "iat": now, "nbf": now, "exp": now + seconds}
    return jwt.encode(claims | ({"nameid": user} if user else {}), request.app[ACCESS_KEY], "HS256")


def audiences(host: str, port: int | None, *resources: str) -> frozenset[str]:
    """What a token's `aud` may be when `host` (`name` or `name:port`) is asked, at this port, for one of the resources.

    Some SDKs put the port into the audience and some leave it out; the service takes both. Some clients leave it out of
    the host.
    """
    name, _, port_asked_for = host.lower().partition(":")
    names = LOOPBACK_NAMES if name in LOOPBACK_NAMES else {name}
    authorities = {f"{name}{suffix}" for name in names for suffix in ("", f":{port_asked_for or port}")}
    return frozenset(f"http://{authority}{resource}" for authority in authorities for resource in resources)


def _port(request: web.Request) -> int | None:
    """The port that the request has come to; None if the client has gone already."""
    address = request.transport and request.transport.get_extra_info("sockname")
    return address[1] if address else None


def check(token: str, access_key: str, audiences: frozenset[str]) -> None:
    """Raise `InvalidTokenError` unless the key signed the token, for one of the audiences, and it is valid now."""
    if not token:
        raise InvalidTokenError("The token is missing")
    if len(token) > MAX_TOKEN_LENGTH:
        raise InvalidTokenError(f"The token is longer than {MAX_TOKEN_LENGTH} characters")
    if not token.isascii():
        raise InvalidTokenError("The token is malformed")
    try:
        # The key is the text of the connection string as it is: it looks like base64 and is not decoded.
        jwt.decode(
            token,
            access_key.encode(),
            algorithms=["HS256"],
            audience=audiences,
            options={"require": ["aud", "exp"]},
        )
    except jwt.InvalidTokenError as error:
        raise InvalidTokenError(PROBLEMS.get(type(error), "The token is malformed")) from error
