"""A Sluice client for Python, written from docs/PROTOCOL.md alone.

The problem: a socket may end at any moment, and answers, records and deltas
come in an order of their own.  The invariant: a `Connection` is one socket and
owns no history; `SessionView`s outlive it and are opened again, by position,
on the next one.  While an open is in flight the session's frames are dropped.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import websockets
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from sluice_session import Frame, Need, SessionView, Turn

SUBPROTOCOL = "sluice.v1"
DIAL_DEADLINE_S = 10.0
ANSWER_DEADLINE_S = 20.0
REOPENS_MAX = 3
REOPENS_WITHIN_S = 10.0
BACKOFF_BASE_S = 0.5
BACKOFF_MAX_S = 30.0
DIALS_MAX = 8
LOST = 1006

TokenSource = Callable[[], Awaitable[str]]


class Refused(Exception):
    """The gateway answered a request with an `error` frame."""

    def __init__(self, error: Frame) -> None:
        super().__init__(f"{error['kind']}: {error['message']}")
        self.kind: str = error["kind"]
        self.retryable: bool = error["retryable"]
        self.retry_after_ms: int | None = error.get("retryAfterMs")


class SocketLost(Exception):
    """The socket ended; `code` is the close code, 1006 if there was none."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code} {reason}")
        self.code = code


@dataclass
class Request:
    """A request under way, and the view that an open's answer goes to."""

    answer: asyncio.Future[Frame]
    view: SessionView | None
    had_cursor: bool


def backoff_s(attempt: int) -> float:
    """A random wait before dial `attempt` (from 0), in seconds."""
    return random.uniform(0, min(BACKOFF_MAX_S, BACKOFF_BASE_S * 2**attempt))


class Connection:
    """One welcomed socket.  Make it with `Connection.dial`."""

    def __init__(self, socket: Any) -> None:
        self.welcome: Frame = {}
        self.reopened = 0
        self.reread = 0
        self._socket = socket
        self._views: dict[str, SessionView] = {}
        self._opening: set[str] = set()
        self._reopens: dict[str, list[float]] = {}
        self._requests: dict[str, Request] = {}
        self._ids = 0
        self._changed = asyncio.Condition()
        self._lost: SocketLost | None = None
        self._welcomed: asyncio.Future[Frame] = (
            asyncio.get_running_loop().create_future()
        )
        self._tasks: set[asyncio.Task[None]] = set()
        self._spawn(self._read())

    @classmethod
    async def dial(
        cls, url: str, token: str, client: str = "sluice-python/0.1"
    ) -> Connection:
        """Connects and says hello.

        Raises SocketLost, OSError or TimeoutError.
        """
        socket = await asyncio.wait_for(
            websockets.connect(url, subprotocols=[Subprotocol(SUBPROTOCOL)]),
            DIAL_DEADLINE_S,
        )
        connection = cls(socket)
        hello = {"type": "hello", "token": token, "client": client}
        try:
            await connection._send(hello)
            connection.welcome = await asyncio.wait_for(
                connection._welcomed, DIAL_DEADLINE_S
            )
        except BaseException:
            await connection.drop()
            raise
        return connection

    async def request(
        self, type_: str, view: SessionView | None = None, **fields: Any
    ) -> Frame:
        """Sends a request; `view` takes what an open answers.

        Raises Refused, SocketLost or TimeoutError.
        """
        self._ids += 1
        ref = f"r{self._ids}"
        request = self._requests[ref] = Request(
            asyncio.get_running_loop().create_future(),
            view,
            "cursor" in fields,
        )
        try:
            await self._send({"type": type_, "id": ref, **fields})
            frame = await asyncio.wait_for(request.answer, ANSWER_DEADLINE_S)
        finally:
            self._requests.pop(ref, None)
        if frame["type"] == "error":
            raise Refused(frame)
        return frame

    async def create(self, key: str, **fields: Any) -> SessionView:
        """Makes the session of `key`, or finds it, and watches it."""
        view = SessionView()
        await self.request("session.open", view, key=key, **fields)
        return view

    async def open(self, view: SessionView) -> Frame:
        """Watches `view.session` from where the view stands."""
        self._opening.add(view.session)
        cursor = view.cursor()
        place = {} if cursor is None else {"cursor": cursor}
        try:
            return await self.request(
                "session.open", view, session=view.session, **place
            )
        finally:
            self._opening.discard(view.session)

    async def send_message(
        self, view: SessionView, message_id: str, content: str, **fields: Any
    ) -> Turn:
        """Sends a message; returns the turn that answers it."""
        accepted = await self.request(
            "message.send",
            session=view.session,
            messageId=message_id,
            content=content,
            **fields,
        )
        await self.until(lambda: accepted["turn"] in view.turns)
        return view.turns[accepted["turn"]]

    async def read_turn(self, session: str, turn: str) -> bytes:
        """The whole text of a turn, piece by piece."""
        text = bytearray()
        while True:
            piece = await self.request(
                "turn.read", session=session, turn=turn, part=0, at=len(text)
            )
            text += piece["text"].encode()
            if piece["end"] >= piece["bytes"]:
                return bytes(text)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Waits until the condition holds of the views.

        Raises SocketLost or TimeoutError.
        """
        async with self._changed:
            await asyncio.wait_for(
                self._changed.wait_for(
                    lambda: condition() or self._lost is not None
                ),
                ANSWER_DEADLINE_S,
            )
        if not condition() and self._lost is not None:
            raise self._lost

    async def drop(self) -> None:
        """Loses the socket as a dead network would: without a close frame."""
        self._socket.transport.abort()
        await self._ended()

    async def close(self) -> None:
        """Ends the socket on purpose."""
        await self._socket.close(1000)
        await self._ended()

    async def _ended(self) -> None:
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _send(self, frame: Frame) -> None:
        try:
            await self._socket.send(json.dumps(frame, ensure_ascii=False))
        except ConnectionClosed as closed:
            raise _lost(closed) from closed

    def _spawn(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _read(self) -> None:
        try:
            async for text in self._socket:
                self._take(json.loads(text))
                await self._notify()
            self._lost = SocketLost(1000, "closed")
        except ConnectionClosed as closed:
            self._lost = _lost(closed)
        for answer in (
            self._welcomed,
            *(request.answer for request in self._requests.values()),
        ):
            if not answer.done():
                answer.set_exception(self._lost)
        await self._notify()

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    def _take(self, frame: Frame) -> None:
        view = self._views.get(frame.get("session", ""))
        if frame["type"] == "welcome":
            self._welcomed.set_result(frame)
        elif frame["type"] == "session.deleted" and view is not None:
            view.apply(frame)
        if "ref" in frame:
            self._answered(frame)
        elif view is not None and view.session not in self._opening:
            self._follow(view, view.apply(frame))

    def _answered(self, frame: Frame) -> None:
        request = self._requests.pop(frame["ref"], None)
        if request is None:
            return
        if frame["type"] == "session.opened" and request.view is not None:
            # At once, not by the task that waits: deltas may follow directly.
            self._opening.discard(frame["session"])
            self._views[frame["session"]] = request.view
            self._follow(
                request.view, request.view.opened(frame, request.had_cursor)
            )
        if not request.answer.done():
            request.answer.set_result(frame)

    def _follow(self, view: SessionView, need: Need) -> None:
        if need is Need.OPEN:
            self._opening.add(view.session)
            self._spawn(self._reopen(view))
        elif need is Need.READ:
            self._spawn(self._read_texts(view))

    async def _reopen(self, view: SessionView) -> None:
        self.reopened += 1
        loop = asyncio.get_running_loop()
        recent = [
            at
            for at in self._reopens.get(view.session, [])
            if at > loop.time() - REOPENS_WITHIN_S
        ]
        self._reopens[view.session] = [*recent, loop.time()]
        if len(recent) >= REOPENS_MAX:
            await asyncio.sleep(backoff_s(len(recent) - REOPENS_MAX))
        await self.open(view)

    async def _read_texts(self, view: SessionView) -> None:
        for turn in view.unread():
            self.reread += 1
            turn.text.clear()
            turn.text += await self.read_turn(view.session, turn.turn)
        await self._notify()


def _lost(closed: ConnectionClosed) -> SocketLost:
    return (
        SocketLost(closed.rcvd.code, closed.rcvd.reason)
        if closed.rcvd
        else SocketLost(LOST, "connection lost")
    )


async def dial_again(url: str, token: TokenSource) -> Connection:
    """Dials until welcomed, with full jitter; a refused token is fetched anew.

    Raises SocketLost for a code that forbids another try, and after
    `DIALS_MAX` dials in a row.
    """
    for dial in range(DIALS_MAX):
        await asyncio.sleep(backoff_s(dial))
        try:
            return await Connection.dial(url, await token())
        except SocketLost as lost:
            if 4500 <= lost.code <= 4999:
                raise
        except (OSError, asyncio.TimeoutError):
            pass
    raise SocketLost(LOST, f"not welcomed in {DIALS_MAX} dials")
