"""Access tokens: how they are checked and issued.

A token is a JWT, signed with the access key (HS256), whose audience is the URL that it is for. Microsoft's emulator
checks the signature only; this one checks audience and expiry too, as Azure does.
"""

from __future__ import annotations

import logging
import time

import jwt
from aiohttp import web

from local.processes.listening import LOOPBACK

# The development key of Microsoft's emulator (asrs-emulator), so that one connection string works with both.
DEVELOPMENT_KEY = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH"
ACCESS_KEY = web.AppKey("access_key", str)
TRUSTED_IDENTITY_TOKENS = web.AppKey("trusted_identity_tokens", frozenset[str])

MAX_TOKEN_LENGTH = 4096  # characters: the service's limit

# Names of this machine: the emulator listens at 127.0.0.1, and the usual connection string contains localhost.
LOOPBACK_NAMES = frozenset({"localhost", LOOPBACK})

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
    """A token is invalid. The message is the service's `error_description`."""


def authorize(request: web.Request, token: str | None, *resources: str) -> None:
    """Check that the token is valid for one of the resources: paths on this host, with or without a query.

    Raises `HTTPUnauthorized`, with the service's `WWW-Authenticate`.
    """
    try:
        check(token or "", request.app[ACCESS_KEY], audiences(request.host, _local_address(request), *resources))
    except InvalidTokenError as error:
        audience = f"http://{request.host}{resources[0]}"
        logger.warning(
            "401 %s %s: %s; the audience must be %a", request.method, request.rel_url.raw_path, error, audience
        )
        challenge = f'Bearer error="invalid_token", error_description="{error}"' if token else "Bearer"
        raise web.HTTPUnauthorized(text=f"{error}.", headers={"WWW-Authenticate": challenge}) from error


def bearer_token(request: web.Request) -> str | None:
    """The token of the `Authorization` header, or None."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def issue(request: web.Request, resource: str, seconds: int, user: str | None) -> str:
    """Issue a token for a resource, a path on the host of the request, that is valid for some seconds from now."""
    now = int(time.time())
    claims = {"aud": f"http://{request.host}{resource}", "iat": now, "nbf": now, "exp": now + seconds}
    return jwt.encode(claims | ({"nameid": user} if user else {}), request.app[ACCESS_KEY], "HS256")


def audiences(host: str, local: tuple[str, int], *resources: str) -> frozenset[str]:
    """The valid audiences of a request for one of the resources at this local address and port.

    `host` is the Host header: `name` or `name:port`. Some SDKs put the port into the audience and some leave it out;
    the service accepts both. Some clients leave the port out of the Host header. In Azure, the tokens of a client that
    connects to the ClientEndpoint are for the Endpoint; here both are this machine.
    """
    name, _, port_in_host = host.lower().partition(":")
    address, port = local
    of_this_machine = LOOPBACK_NAMES | {address}
    names = of_this_machine if name in of_this_machine else {name}
    authorities = {f"{name}{suffix}" for name in names for suffix in ("", f":{port_in_host or port}")}
    return frozenset(f"http://{authority}{resource}" for authority in authorities for resource in resources)


def _local_address(request: web.Request) -> tuple[str, int]:
    """The local address and port of the request; port 0 if the client has disconnected already."""
    address = request.transport and request.transport.get_extra_info("sockname")
    return address or (LOOPBACK, 0)


def check(token: str, access_key: str, audiences: frozenset[str]) -> None:
    """Raise `InvalidTokenError` unless the key signed the token, its audience is one of these, and it is valid now."""
    if not token:
        raise InvalidTokenError("The token is missing")
    if len(token) > MAX_TOKEN_LENGTH:
        raise InvalidTokenError(f"The token is longer than {MAX_TOKEN_LENGTH} characters")
    if not token.isascii():
        raise InvalidTokenError("The token is malformed")
    try:
        # The key is the text in the connection string: it looks like base64, but is not decoded.
        jwt.decode(
            token,
            access_key.encode(),
            algorithms=["HS256"],
            audience=audiences,
            options={"require": ["aud", "exp"]},
        )
    except jwt.InvalidTokenError as error:
        raise InvalidTokenError(PROBLEMS.get(type(error), "The token is malformed")) from error
