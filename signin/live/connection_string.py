"""Connection strings of Azure SignalR Service."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from signin.identity.credential import Identity, is_https_or_loopback


class ConnectionStringError(ValueError):
    """A connection string is malformed or not supported. The message names the property and holds no secret."""


@dataclass(frozen=True, slots=True)
class ConnectionString:
    """A parsed connection string. Its urls have no trailing slash.

    Tokens are issued for `endpoint`. Clients connect to `client_endpoint` and REST calls go to `server_endpoint`, which
    differ from it if a proxy is in front of the service. Access is by `identity`, or if that is None by `access_key`.
    """

    endpoint: str
    client_endpoint: str
    server_endpoint: str
    access_key: str = field(default="", repr=False)
    identity: Identity | None = None

    @classmethod
    def parse(cls, text: str) -> ConnectionString:
        """Parse `Endpoint=…;AccessKey=…;Version=1.0;…` as the service's own SDKs do. Raises ConnectionStringError."""
        properties = _properties(text)
        if "endpoint" not in properties:
            raise ConnectionStringError("Endpoint is missing")
        version = properties.get("version", "1.0")
        if not re.fullmatch(r"1\.\d+(?:[\w.-]+)?", version, re.ASCII):
            raise ConnectionStringError("Version is not supported, only 1.x")
        identity = _identity(properties)
        if identity is None and not properties.get("accesskey"):
            raise ConnectionStringError("AccessKey is missing")
        endpoint = _with_port(_url("Endpoint", properties["endpoint"]), properties.get("port"))
        server_endpoint = _url("ServerEndpoint", properties.get("serverendpoint", endpoint))
        if identity is not None and not is_https_or_loopback(server_endpoint):
            raise ConnectionStringError("an identity's tokens are sent by https only, to Endpoint and ServerEndpoint")
        return cls(
            endpoint=endpoint,
            client_endpoint=_url("ClientEndpoint", properties.get("clientendpoint", endpoint)),
            server_endpoint=server_endpoint,
            access_key=properties.get("accesskey", ""),
            identity=identity,
        )


def _properties(text: str) -> dict[str, str]:
    """The properties by lower-case name. There is no quoting. A part without "=" is ignored, as in the SDKs."""
    parts = [part for part in text.split(";") if part.strip()]
    if len(parts) < 2:
        raise ConnectionStringError("it needs at least Endpoint=… and AccessKey=…, separated by ';'")
    properties: dict[str, str] = {}
    for part in parts:
        name, equals, value = part.partition("=")
        name = name.strip().lower()
        if not equals:
            continue
        if name in properties:
            raise ConnectionStringError(f"{name!r} is given twice")
        properties[name] = value.strip()
    return properties


def _identity(properties: Mapping[str, str]) -> Identity | None:
    """The identity that AuthType specifies, or None for access by AccessKey."""
    client_id, tenant_id = properties.get("clientid"), properties.get("tenantid")
    secret, certificate = properties.get("clientsecret"), properties.get("clientcert")
    match properties.get("authtype", "").lower():
        case "azure":
            return Identity(client_id=client_id)
        case "azure.msi":
            return Identity(is_managed=True, client_id=client_id)
        case "azure.app":
            if not (client_id and tenant_id and (secret or certificate)):
                raise ConnectionStringError(
                    "AuthType=azure.app needs ClientId, TenantId and ClientSecret or ClientCert"
                )
            return Identity(
                client_id=client_id, tenant_id=tenant_id, client_secret=secret, client_certificate=certificate
            )
        case _:  # any other value means the AccessKey, as in the service's own SDKs
            return None


def _url(name: str, value: str) -> str:
    value = value.rstrip("/")
    try:
        parts = urlsplit(value)
        is_usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and not parts.query
    except ValueError:
        is_usable = False
    if not is_usable or " " in value:
        raise ConnectionStringError(f"{name} is not an absolute http or https url")
    return value


def _with_port(url: str, port: str | None) -> str:
    if port is None:
        return url
    if not re.fullmatch(r"\d{1,5}", port, re.ASCII) or not 1 <= int(port) <= 65535:
        raise ConnectionStringError("Port is not a number from 1 to 65535")
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return parts._replace(netloc=f"{host}:{port}").geturl()
