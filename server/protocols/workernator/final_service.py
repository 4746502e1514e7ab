"""The final contract: commands, their status, their stdout."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from server.errors import InvalidInput
from server.protocols.workernator.errors import answered
from server.protocols.workernator.messages import received
from server.protocols.workernator.views import COMMAND, command_params, final_job
from server.wire.workernator import final_pb2
from server.wire.workernator.final_grpc import ServiceBase

if TYPE_CHECKING:
    from collections.abc import Callable

    from grpclib.server import Stream

    from server.protocols.workernator.access import Call, Caller
    from server.protocols.workernator.calls import Calls
    from server.protocols.workernator.outputs import Outputs

    Authorize = Callable[[Stream[Any, Any], Call], Caller]


class FinalService(ServiceBase):
    """Serves ``seanhagen.pb.Service``.

    Args:
        authorize: says who calls; raises NotAllowed.
    """

    def __init__(self, calls: Calls, outputs: Outputs, authorize: Authorize) -> None:
        self._calls = calls
        self._outputs = outputs
        self._authorize = authorize

    @answered
    async def Start(self, stream: Stream[final_pb2.JobStartRequest, final_pb2.Job]) -> None:
        caller = self._authorize(stream, "start")
        request = await received(stream)
        if not request.command:
            raise InvalidInput("command is empty; it names the program")
        params = command_params(request.command, list(request.arguments))
        await stream.send_message(final_job(await self._calls.start(caller, COMMAND, params)))

    @answered
    async def Stop(self, stream: Stream[final_pb2.JobStopRequest, final_pb2.Job]) -> None:
        caller = self._authorize(stream, "stop")
        request = await received(stream)
        await stream.send_message(final_job(await self._calls.stop(caller, request.id)))

    @answered
    async def Status(self, stream: Stream[final_pb2.JobStatusRequest, final_pb2.Job]) -> None:
        caller = self._authorize(stream, "status")
        request = await received(stream)
        await stream.send_message(final_job(await self._calls.find(caller, request.id)))

    @answered
    async def Output(
        self, stream: Stream[final_pb2.OutputJobRequest, final_pb2.OutputJobResponse]
    ) -> None:
        caller = self._authorize(stream, "output")
        request = await received(stream)
        found = await self._calls.find(caller, request.id)
        await stream.send_initial_metadata()
        async for piece in self._outputs.follow(found.job, ("stdout",)):
            await stream.send_message(final_pb2.OutputJobResponse(data=piece.data))
