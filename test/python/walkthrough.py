#!/usr/bin/python3
"""Walks through docs/PROTOCOL.md against a gateway in development mode.

    walkthrough.py http://127.0.0.1:8080

Prints one JSON line for each step, with what it checked, and exits 1 at the
first thing that is not as the document says.  The gateway must answer from
the bundled model server, which takes an answer's length and pace from the
message's last line.
"""

from __future__ import annotations

import asyncio
import json
import sys
from urllib.parse import quote

from checking import (
    HELD_BYTES,
    LONG,
    SHORT,
    Mismatch,
    check,
    ended_as,
    new_id,
    say,
)
from sluice_client import Connection, Refused, SocketLost, dial_again
from sluice_http import HttpClient, HttpRefused
from sluice_session import SessionView, Turn
from walkthrough_http import over_http


class Walk:
    """The steps, in order; each leaves its successors what they need."""

    def __init__(self, base: str, subject: str) -> None:
        self.base = base
        self.subject = subject
        self.url = f"ws{base.removeprefix('http')}/v1/socket"

    async def token(self) -> str:
        """A development token."""
        path = f"/dev/token?subject={quote(self.subject)}"
        _, answer = await asyncio.to_thread(
            HttpClient(self.base).call, "GET", path
        )
        return str(answer["token"])

    async def run(self) -> None:
        """All steps."""
        await self.refused()
        first = await self.hello()
        view = await self.open_by_key(first)
        second = await self.resume(first, view)
        await self.repair(second, view)
        await self.retry(second, view, await self.cancel(second, view))
        await self.feedback(second, view)
        await self.reset(second, view)
        await self.delete(second, view)
        await second.close()
        await asyncio.to_thread(over_http, self.base, await self.token())

    async def refused(self) -> None:
        """A forged token is refused with a close code that says so."""
        try:
            await Connection.dial(self.url, "forged")
            raise Mismatch("a forged token was welcomed")
        except SocketLost as lost:
            check(lost.code == 4400, f"closed with {lost.code}")
        say("refused", closeCode=4400)

    async def hello(self) -> Connection:
        """Connects with a development token."""
        connection = await Connection.dial(self.url, await self.token())
        welcome = connection.welcome
        check(
            welcome["protocol"] == "sluice.v1",
            f"protocol {welcome['protocol']}",
        )
        check(
            welcome["subject"] == self.subject, f"subject {welcome['subject']}"
        )
        say("hello", protocol=welcome["protocol"], subject=welcome["subject"])
        return connection

    async def open_by_key(self, connection: Connection) -> SessionView:
        """Makes a session, and finds it again by its key."""
        key = new_id("k")
        view = await connection.create(key, metadata={"title": "Walk"})
        again = await connection.create(key)
        check(view.session == again.session, "one key made two sessions")
        check((again.seq, again.mark) == (0, 0), "a new session has records")
        check(
            again.metadata == {"title": "Walk"}, f"metadata {again.metadata}"
        )
        say("open", session=again.session, sameByKey=True)
        return again

    async def resume(self, first: Connection, view: SessionView) -> Connection:
        """Streams, loses the socket, goes on by position; another joins."""
        message_id = new_id("m")
        turn = await first.send_message(view, message_id, LONG)
        await first.until(lambda: len(turn.text) > HELD_BYTES)
        await first.drop()
        held = bytes(turn.text)
        check(
            turn.end is None, "the answer ended before the socket was dropped"
        )
        say("drop", turn=turn.turn, heldBytes=len(held))

        second = await dial_again(self.url, self.token)
        opened = await second.open(view)
        check(opened["reset"] is False, "an ordinary reconnect was a reset")
        check(
            opened["turn"]["ends"] == [len(held)],
            f"held {len(held)}, goes on at {opened['turn']['ends']}",
        )
        check(
            bytes(turn.text).startswith(held),
            "the text before the drop was lost",
        )
        accepted = await second.request(
            "message.send",
            session=view.session,
            messageId=message_id,
            content=LONG,
        )
        check(
            accepted["turn"] == turn.turn,
            "the same messageId began another turn",
        )

        third = await Connection.dial(self.url, await self.token())
        other = SessionView(session=view.session)
        opened = await third.open(other)
        check(
            "turn" in opened and other.turns[turn.turn].end is None,
            "the second device did not join in mid-answer",
        )
        joined_ends = opened["turn"]["ends"]
        await asyncio.gather(
            second.until(lambda: turn.is_whole()),
            third.until(lambda: other.turns[turn.turn].is_whole()),
        )
        end = ended_as(turn, "turn.completed")
        repairs = second.reopened + second.reread
        check(repairs == 0, "the text came by repair, not by position")
        say(
            "resume",
            turn=turn.turn,
            fromBytes=len(held),
            bytes=end["bytes"],
            sha256=end["sha256"],
            repairs=repairs,
        )
        ended_as(other.turns[turn.turn], "turn.completed")
        check(
            other.turns[turn.turn].text == turn.text,
            "two devices hold two texts",
        )
        check(
            (other.seq, other.mark) == (view.seq, view.mark),
            "two devices stand at two places",
        )
        say(
            "join",
            turn=turn.turn,
            fromEnds=joined_ends,
            bytes=len(other.turns[turn.turn].text),
        )
        await third.close()
        return second

    async def repair(self, connection: Connection, view: SessionView) -> None:
        """Loses bytes on the client's side; the client re-opens by itself."""
        turn = await connection.send_message(view, new_id("m"), LONG)
        await connection.until(lambda: len(turn.text) > HELD_BYTES)
        opens = connection.reopened
        del turn.text[HELD_BYTES:]
        await connection.until(turn.is_whole)
        end = ended_as(turn, "turn.completed")
        check(
            connection.reopened > opens,
            "a delta that does not fit was applied",
        )
        say(
            "repair",
            turn=turn.turn,
            opens=connection.reopened - opens,
            bytes=end["bytes"],
        )

    async def cancel(self, connection: Connection, view: SessionView) -> Turn:
        """Stops an answer; its partial text is in the history."""
        turn = await connection.send_message(view, new_id("m"), LONG)
        await connection.until(lambda: len(turn.text) > HELD_BYTES)
        heard = await connection.request(
            "turn.cancel", session=view.session, turn=turn.turn
        )
        check(heard["type"] == "turn.cancelling", f"answered {heard['type']}")
        await connection.until(turn.is_whole)
        end = ended_as(turn, "turn.cancelled")
        check(
            end["finishReason"] == "cancelled",
            f"finishReason {end['finishReason']}",
        )
        check(end["bytes"] > 0, "nothing is left of the cancelled answer")
        page = await connection.request("history.get", session=view.session)
        text = next(
            r["text"]
            for r in page["records"]
            if r["type"] == "turn.cancelled" and r["turn"] == turn.turn
        )
        check(text.encode() == turn.text, "history holds another partial text")
        say(
            "cancel",
            turn=turn.turn,
            bytes=end["bytes"],
            sha256=end["sha256"],
            text=text,
        )
        return turn

    async def retry(
        self, connection: Connection, view: SessionView, old: Turn
    ) -> None:
        """Answers the same message anew, in the old turn's place."""
        turn = await connection.send_message(
            view, new_id("m"), SHORT, replaces=old.turn
        )
        await connection.until(turn.is_whole)
        end = ended_as(turn, "turn.completed")
        check(old.replaced_by == turn.turn, "the old turn is not replaced")
        try:
            await connection.request(
                "message.send",
                session=view.session,
                messageId=new_id("m"),
                content=SHORT,
                replaces=old.turn,
            )
            raise Mismatch("a turn that is not the last was replaced")
        except Refused as refused:
            check(refused.kind == "conflict", f"refused as {refused.kind}")
        say(
            "retry",
            replaces=old.turn,
            turn=turn.turn,
            bytes=end["bytes"],
            again="conflict",
        )

    async def feedback(
        self, connection: Connection, view: SessionView
    ) -> None:
        """Rates the last answer."""
        turn = list(view.turns.values())[-1]
        added = await connection.request(
            "feedback.give",
            session=view.session,
            turn=turn.turn,
            rating=1,
            comment="Schön!",
        )
        await connection.until(lambda: view.seq >= added["seq"])
        check(turn.rating == 1, f"rating {turn.rating}")
        say("feedback", turn=turn.turn, rating=turn.rating, seq=added["seq"])

    async def reset(self, connection: Connection, view: SessionView) -> None:
        """Opens with a damaged cursor: everything is told anew."""
        before = {name: bytes(turn.text) for name, turn in view.turns.items()}
        seq = view.seq
        view.mark ^= 1
        opened = await connection.open(view)
        check(opened["reset"] is True, "a damaged cursor was taken for valid")
        await connection.until(lambda: not view.unread())
        check(
            {name: bytes(turn.text) for name, turn in view.turns.items()}
            == before,
            "other texts after the reset",
        )
        check(view.seq == seq, f"at {view.seq} after the reset, not at {seq}")
        say("reset", seq=view.seq, turns=len(before))

    async def delete(self, connection: Connection, view: SessionView) -> None:
        """Erases the session."""
        gone = await connection.request("session.delete", session=view.session)
        check(gone["reason"] == "erased", f"reason {gone['reason']}")
        await connection.until(lambda: view.deleted == "erased")
        for request in ("session.delete", "session.open", "history.get"):
            try:
                await connection.request(request, session=view.session)
                raise Mismatch(f"{request} found a deleted session")
            except Refused as refused:
                check(
                    refused.kind == "not-found",
                    f"{request} refused as {refused.kind}",
                )
        say(
            "delete",
            session=view.session,
            reason=gone["reason"],
            afterwards="not-found",
        )


def main(arguments: list[str]) -> int:
    """Exit code 0 if every step held."""
    if len(arguments) != 1:
        print("usage: walkthrough.py http://HOST:PORT", file=sys.stderr)
        return 2
    try:
        asyncio.run(Walk(arguments[0].rstrip("/"), new_id("walker")).run())
    except (
        Mismatch,
        Refused,
        HttpRefused,
        SocketLost,
        asyncio.TimeoutError,
    ) as problem:
        print(
            json.dumps(
                {"ok": False, "problem": repr(problem)}, ensure_ascii=False
            ),
            flush=True,
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
