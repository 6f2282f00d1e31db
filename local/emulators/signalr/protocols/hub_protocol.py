"""What the hub protocols have in common: the kinds of messages, and how a protocol writes and reads them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from enum import IntEnum, StrEnum
from typing import Any, ClassVar


class TransferFormat(StrEnum):
    """What a protocol's frames are made of, and what a transport can carry."""

    TEXT = "Text"
    BINARY = "Binary"


class MessageType(IntEnum):
    """What every message after the handshake begins with."""

    INVOCATION = 1
    STREAM_ITEM = 2
    COMPLETION = 3
    STREAM_INVOCATION = 4
    CANCEL_INVOCATION = 5
    PING = 6
    CLOSE = 7


class ProtocolError(Exception):
    """A client broke the protocol; the message says how, to the client and to the log."""


class HubProtocol(ABC):
    """An encoding of messages as frames, which tell their own end: they may be strung together and cut anywhere."""

    name: ClassVar[str]
    transfer_format: ClassVar[TransferFormat]
    ping: ClassVar[bytes]

    @abstractmethod
    def invocation(self, target: str, arguments: list[Any]) -> bytes:
        """The frame that calls `target` on a client, which does not answer.

        Raises `ValueError`, `OverflowError` or `RecursionError` for what cannot be said in this protocol.
        """

    @abstractmethod
    def close(self, error: str | None, allow_reconnect: bool) -> bytes:
        """The frame that ends a connection, and says why and whether the client may come back at once."""

    @abstractmethod
    def split(self, data: bytes) -> tuple[list[bytes], bytes]:
        """The bodies of the frames that are complete, and what is left. Raises `ProtocolError`."""

    @abstractmethod
    def message_type(self, body: bytes) -> int:
        """The type of a message. Raises `ProtocolError` if it has none."""
