"""Reading the message of a request: bounded, and with words for what is wrong with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from google.protobuf.message import DecodeError
from grpclib.const import Status
from grpclib.exceptions import GRPCError
from grpclib.stream import recv_message

from server.errors import InvalidInput, TooLarge

if TYPE_CHECKING:
    from grpclib import protocol
    from grpclib.server import Stream

MIB = 1024 * 1024
MAX_MESSAGE_BYTES = 4 * MIB
"""As much as gRPC's own servers take; grpclib alone would keep all that a client announces."""


async def received(stream: Stream[Any, Any]) -> Any:
    """The one message of a request.

    Raises:
        InvalidInput: there is none, or it cannot be read.
        TooLarge: it is longer than ``MAX_MESSAGE_BYTES``.
        GRPCError: it is compressed.
    """
    bounded = cast("protocol.Stream", _Bounded(stream._stream))
    try:
        message = await recv_message(bounded, stream._codec, stream._recv_type)
    except (DecodeError, AssertionError):  # the library's word for one that was cut off
        raise InvalidInput("the request's message cannot be read") from None
    except NotImplementedError:
        raise GRPCError(Status.UNIMPLEMENTED, "compressed messages are not read here") from None
    if message is None:
        raise InvalidInput("the request holds no message")
    return message


class _Bounded:
    """What comes in, without what is too long to be kept."""

    def __init__(self, incoming: protocol.Stream) -> None:
        self._incoming = incoming

    async def recv_data(self, size: int) -> bytes:
        if size > MAX_MESSAGE_BYTES:
            limit = f"{MAX_MESSAGE_BYTES // MIB} MiB"
            raise TooLarge(f"the request's message has {size} bytes; at most {limit} are taken")
        return await self._incoming.recv_data(size)
