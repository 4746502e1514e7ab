"""An answer leaves in one write, and nothing that was written waits for long."""

from __future__ import annotations

import asyncio

from server.http.joined_writes import JoinedWrites


class Wire(asyncio.Transport):
    """A connection that keeps what is sent."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[bytes] = []
        self.is_closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent.append(bytes(data))

    def is_closing(self) -> bool:
        return self.is_closed

    def close(self) -> None:
        self.is_closed = True


async def next_round() -> None:
    await asyncio.sleep(0)


async def test_a_head_leaves_with_its_body() -> None:
    wire = Wire()
    answers = JoinedWrites(wire, asyncio.get_running_loop())
    answers.write(b"head ")
    assert wire.sent == []
    answers.write(b"body")
    assert wire.sent == [b"head body"]
    await next_round()
    assert wire.sent == [b"head body"]


async def test_a_head_without_a_body_leaves_in_the_same_round() -> None:
    wire = Wire()
    answers = JoinedWrites(wire, asyncio.get_running_loop())
    answers.write(b"head")
    answers.write(b"")
    assert wire.sent == [b"head"]
    answers.write(b"a part")
    await next_round()
    assert wire.sent == [b"head", b"a part"]


async def test_what_is_held_leaves_before_the_end() -> None:
    wire = Wire()
    answers = JoinedWrites(wire, asyncio.get_running_loop())
    answers.write(b"last")
    assert not answers.is_closing()
    answers.close()
    assert wire.sent == [b"last"]
    assert answers.is_closing()
    await next_round()
    assert wire.sent == [b"last"]
