"""Joint calls: many calls of one method in one, each answered as if it had come alone.

A method `XMany` takes joint calls of the method `X` of the same service. The members pass the edge one by one, each in
a task of its own, so that each has its ids, caller, deadline, log line, span, metrics and outcome.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from typing import Any, NoReturn, TypeAlias, cast

import grpc
from grpc import aio
from isolane.common.v1 import joint_pb2 as pb

from services.common.status import Trailers
from services.common.telemetry.logs import get_logger

SUFFIX = "Many"
"""How the name of a method ends that is the joint call of another."""

_MESSAGE_BYTES = 64 * 1024
"""Replies that are ready together share a message up to this, as 40 vectors of 384 numbers; a larger one has its own,
behind the others. More saves messages, less lets small ones go on sooner. Unit: bytes."""
_ROOM_BYTES = 1024
"""More than a message has beside one reply. Unit: bytes."""

_MOST_MEMBERS = 1024
"""Of one call, as each begins a task at once. Our own callers send 64."""
_CLOSING_S = 1.0
"""A caller that has its answers closes the call; one that does not is waited for no longer than this."""

Context = aio.ServicerContext[Any, Any]
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Answer = Callable[[int, pb.Member, float], Coroutine[Any, Any, pb.MemberAnswer]]
"""Answers a member, of its place, that is listened for until a moment on the monotonic clock."""

log = get_logger()


def answered_at_the_edge(_servicer: Any, request_iterator: Any, context: Any) -> Any:  # noqa: ARG001 - gRPC names them
    """Stands in a servicer for a method's joint calls, which get there only where there is no edge: UNIMPLEMENTED."""
    context.set_code(grpc.StatusCode.UNIMPLEMENTED)
    raise NotImplementedError


class MemberContext:
    """What the edge and a servicer know of a member: what `grpc.aio.ServicerContext` is for a call alone.

    Args:
        metadata: that the caller sent.
        until_s: when its caller stops listening, on the monotonic clock.
    """

    __slots__ = ("_metadata", "_trailers", "_until_s", "code", "details")

    def __init__(self, metadata: Mapping[str, str], until_s: float) -> None:
        self._metadata = metadata
        self._until_s = until_s
        self._trailers: Trailers = ()
        self.code, self.details = 0, ""

    def invocation_metadata(self) -> Iterable[tuple[str, str]]:
        """The metadata that the caller sent."""
        return self._metadata.items()

    def time_remaining(self) -> float:
        """Seconds until the caller stops listening."""
        return max(0.0, self._until_s - time.monotonic())

    def set_trailing_metadata(self, trailers: Trailers) -> None:
        """What goes with the answer."""
        self._trailers = trailers

    async def abort(self, code: grpc.StatusCode, details: str = "", trailing_metadata: Trailers = ()) -> NoReturn:
        """End the call with a status."""
        self.code, self.details, self._trailers = code.value[0], details, trailing_metadata
        raise aio.AbortError(details)

    def answer(self, place: int, reply: bytes = b"") -> pb.MemberAnswer:
        """The call's end as it goes over the wire."""
        trailers = {key: value if isinstance(value, bytes) else value.encode() for key, value in self._trailers}
        return pb.MemberAnswer(place=place, code=self.code, message=self.details, trailers=trailers, reply=reply)


def joint_handler(one: Handler, *, most_bytes: int) -> Handler:
    """The handler of a method's joint calls.

    Args:
        one: the method's own, with its edge.
        most_bytes: largest message that is sent.
    """
    behaviour = cast(Callable[[Any, MemberContext], Awaitable[Any]], one.unary_unary)
    read = cast(Callable[[bytes], Any], one.request_deserializer)
    write = cast(Callable[[Any], bytes], one.response_serializer)

    async def answer(place: int, member: pb.Member, until_s: float) -> pb.MemberAnswer:
        """As gRPC does it: what fails outside the edge is a bare status."""
        context = MemberContext(member.metadata, until_s)
        try:
            reply = write(await behaviour(read(member.request), context))
            if len(reply) > most_bytes - _ROOM_BYTES:
                await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "Sent message larger than max")
            return context.answer(place, reply)
        except aio.AbortError:
            return context.answer(place)
        except Exception:
            log.exception("member_crashed")
            return pb.MemberAnswer(place=place, code=grpc.StatusCode.INTERNAL.value[0])

    async def handle(_messages: object, context: Context) -> None:
        first = await context.read()
        if first is aio.EOF:
            return
        if (number := len(first.members)) > _MOST_MEMBERS:
            problem = f"a joint call of {number} members; at most {_MOST_MEMBERS}; send several"
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, problem)
        await _JointCall(answer, first.members, context).run()

    return grpc.stream_stream_rpc_method_handler(
        handle,
        request_deserializer=pb.JointRequest.FromString,
        response_serializer=pb.JointResponse.SerializeToString,
    )


class _JointCall:
    """A joint call in progress: its members' tasks, and their answers as they become ready.

    Args:
        answer: answers a member.
        members: as they came.
        context: of the call that carries them.
    """

    def __init__(self, answer: Answer, members: Sequence[pb.Member], context: Context) -> None:
        self._context = context
        self._ready: list[pb.MemberAnswer] = []
        self._has_news = asyncio.Event()
        self._tasks = [
            asyncio.create_task(answer(place, member, until_s))
            for place, (member, until_s) in enumerate(zip(members, _listened_until_s(members, context), strict=True))
        ]
        self._unfinished = len(self._tasks)
        for task in self._tasks:
            task.add_done_callback(self._finished)

    async def run(self) -> None:
        """Answer until every member is answered or abandoned; members end with the call at the latest."""
        dropping = asyncio.create_task(self._drop_abandoned())
        try:
            while self._unfinished or self._ready:
                await self._has_news.wait()
                self._has_news.clear()
                ready, self._ready = self._ready, []
                for message in _messages(ready):
                    await self._context.write(message)
            await asyncio.wait({dropping}, timeout=_CLOSING_S)
        finally:
            for task in (dropping, *self._tasks):
                task.cancel()
            await asyncio.gather(dropping, *self._tasks, return_exceptions=True)

    def _finished(self, task: asyncio.Task[pb.MemberAnswer]) -> None:
        self._unfinished -= 1
        self._has_news.set()
        if not task.cancelled():
            self._ready.append(task.result())

    async def _drop_abandoned(self) -> None:
        """Cancel the members for which nobody waits any more."""
        while (message := await self._context.read()) is not aio.EOF:
            for place in message.abandoned:
                if place < len(self._tasks):
                    self._tasks[place].cancel()


def _listened_until_s(members: Sequence[pb.Member], context: Context) -> Iterator[float]:
    """Until when each member's caller listens, on the monotonic clock.

    The call's own deadline is the longest of theirs, so what is left of that tells how long the call was on its way.
    """
    timeouts_s = [member.timeout_us / 1e6 for member in members]
    remaining_s = context.time_remaining()
    spent_s = 0.0 if remaining_s is None else max(0.0, max(timeouts_s, default=0.0) - remaining_s)
    began_s = time.monotonic() - spent_s
    return (began_s + timeout_s for timeout_s in timeouts_s)


def _messages(answers: Iterable[pb.MemberAnswer]) -> Iterator[pb.JointResponse]:
    """Answers in messages of a bounded size, the small ones first."""
    batch: list[pb.MemberAnswer] = []
    size = 0
    for answer in sorted(answers, key=lambda answer: len(answer.reply)):
        if batch and size + len(answer.reply) > _MESSAGE_BYTES:
            yield pb.JointResponse(answers=batch)
            batch, size = [], 0
        batch.append(answer)
        size += len(answer.reply)
    if batch:
        yield pb.JointResponse(answers=batch)
