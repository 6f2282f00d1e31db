"""The base class of the hub protocols, and the types of their messages."""

from __future__ import annotations

from abc import ABC, abstractmethod
from enum import IntEnum, StrEnum
from typing import Any, ClassVar


class TransferFormat(StrEnum):
    """The format of a protocol's frames; a transport supports one or both."""

    TEXT = "Text"
    BINARY = "Binary"


class MessageType(IntEnum):
    """The first member of every message after the handshake."""

    INVOCATION = 1
    STREAM_ITEM = 2
    COMPLETION = 3
    STREAM_INVOCATION = 4
    CANCEL_INVOCATION = 5
    PING = 6
    CLOSE = 7


class ProtocolError(Exception):
    """A client violated the protocol. The message goes to the client and to the log."""


class HubProtocol(ABC):
    """Encodes messages as frames. A frame marks its own end, so that a stream of them can be cut anywhere."""

    name: ClassVar[str]
    transfer_format: ClassVar[TransferFormat]
    ping: ClassVar[bytes]

    @abstractmethod
    def invocation(self, target: str, arguments: list[Any]) -> bytes:
        """The frame that calls `target` on a client, without a response.

        Raises `ValueError`, `OverflowError` or `RecursionError` if the protocol cannot encode the arguments.
        """

    @abstractmethod
    def close(self, error: str | None, allow_reconnect: bool) -> bytes:
        """The frame that ends a connection, with the reason and whether the client may reconnect at once."""

    @abstractmethod
    def split(self, data: bytes) -> tuple[list[bytes], bytes]:
        """The bodies of the complete frames, and the rest of the data. Raises `ProtocolError`."""

    @abstractmethod
    def message_type(self, body: bytes) -> int:
        """The type of a message. Raises `ProtocolError` if it has none."""
