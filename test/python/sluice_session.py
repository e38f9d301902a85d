"""What a client holds of one session, and how frames change it.

The problem: frames come late, twice, with a hole, or for another attempt.
The invariant: a view applies a frame only where it fits, says in its return
value what must be asked of the gateway instead, and an ended turn's text has
the byte length and the SHA-256 that its terminal record names.  Nothing here
knows a socket.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

Frame = dict[str, Any]

TERMINAL = frozenset({"turn.completed", "turn.cancelled", "turn.failed"})


class Need(Enum):
    """What a frame that did not fit asks of the connection."""

    NOTHING = "nothing"
    OPEN = "open"
    READ = "read"


@dataclass
class Turn:
    """One user message and its answer; `text` is the tape of part 0."""

    turn: str
    content: str = ""
    message_id: str = ""
    attempt: int = 0
    text: bytearray = field(default_factory=bytearray)
    end: Frame | None = None
    replaced_by: str | None = None
    rating: int = 0

    def is_whole(self) -> bool:
        """Whether the text is the one the terminal record names."""
        if self.end is None:
            return False
        digest = hashlib.sha256(self.text).hexdigest()
        return (len(self.text), digest) == (
            self.end["bytes"],
            self.end["sha256"],
        )


@dataclass
class SessionView:
    """The records and the running tape of one session."""

    session: str = ""
    seq: int = 0
    mark: int = 0
    turns: dict[str, Turn] = field(default_factory=dict)
    running: str | None = None
    deleted: str | None = None
    metadata: Frame = field(default_factory=dict)

    def cursor(self) -> Frame | None:
        """The place to go on from; None if nothing is held."""
        if self.seq == 0:
            return None
        cursor: Frame = {"seq": self.seq, "mark": self.mark}
        turn = self.turns.get(self.running or "")
        if turn is not None and turn.attempt > 0:
            cursor |= {
                "turn": turn.turn,
                "attempt": turn.attempt,
                "ends": [len(turn.text)],
            }
        return cursor

    def apply(self, frame: Frame) -> Need:
        """Applies a live frame of this session."""
        if "timeMs" in frame:
            return self._record(frame)
        match frame["type"]:
            case "turn.delta":
                return self._delta(frame)
            case "session.opened":
                return self.opened(frame, had_cursor=False)
            case "session.updated":
                self.metadata = frame["metadata"]
            case "session.deleted":
                self.deleted = frame.get("reason", "")
        return Need.NOTHING

    def opened(self, frame: Frame, had_cursor: bool) -> Need:
        """Applies `session.opened`.

        It goes on from a cursor that held; otherwise it begins anew.
        """
        if frame["reset"] or not had_cursor:
            self.turns, self.running = {}, None
            self.seq = (
                frame["records"][0]["seq"] - 1 if frame["records"] else 0
            )
        self.session = frame["session"]
        self.metadata = frame.get("metadata", {})
        needs = [self._record(record) for record in frame["records"]]
        self.seq, self.mark = frame["seq"], frame["mark"]
        if "turn" in frame:
            self._running(frame["turn"])
        return next(
            (need for need in needs if need is not Need.NOTHING), Need.NOTHING
        )

    def unread(self) -> list[Turn]:
        """The ended turns whose text has to be fetched with `turn.read`."""
        return [
            turn
            for turn in self.turns.values()
            if turn.end is not None and not turn.is_whole()
        ]

    def _running(self, state: Frame) -> None:
        turn = self._turn(state["turn"])
        if turn.attempt != state["attempt"]:
            turn.text.clear()
        turn.attempt = state["attempt"]
        del turn.text[(state["ends"] or [0])[0] :]
        self.running = turn.turn

    def _turn(self, name: str) -> Turn:
        return self.turns.setdefault(name, Turn(name))

    def _record(self, record: Frame) -> Need:
        if record["seq"] <= self.seq:
            return Need.NOTHING
        if record["seq"] > self.seq + 1:
            return Need.OPEN
        self.seq, self.mark = record["seq"], record["mark"]
        if "turn" not in record:
            return Need.NOTHING
        return self._record_of(self._turn(record["turn"]), record)

    def _record_of(self, turn: Turn, record: Frame) -> Need:
        kind = record["type"]
        if kind in TERMINAL:
            return self._ended(turn, record)
        if kind == "message.added":
            turn.content = record["message"]["content"]
            turn.message_id = record["message"]["messageId"]
            self.running = turn.turn
            if "replaces" in record:
                self._turn(record["replaces"]).replaced_by = turn.turn
        elif kind in ("turn.started", "turn.restarted"):
            keep = record.get("keep")
            kept = (
                keep["end"] if keep and keep["attempt"] == turn.attempt else 0
            )
            del turn.text[kept:]
            turn.attempt = record["attempt"]
            self.running = turn.turn
        elif kind == "feedback.added":
            turn.rating = record["rating"]
        return Need.NOTHING

    def _ended(self, turn: Turn, record: Frame) -> Need:
        self.running = None
        turn.end = record
        if "text" in record:
            turn.text = bytearray(record["text"].encode())
        elif record["attempt"] != turn.attempt:
            turn.text.clear()
        turn.attempt = record["attempt"]
        del turn.text[record["bytes"] :]
        return Need.NOTHING if turn.is_whole() else Need.READ

    def _delta(self, delta: Frame) -> Need:
        if delta["part"] != 0:
            return Need.NOTHING
        turn = self.turns.get(delta["turn"])
        if turn is None or turn.turn != self.running:
            return Need.OPEN
        if turn.attempt != delta["attempt"] or len(turn.text) != delta["at"]:
            return Need.OPEN
        turn.text += delta["text"].encode()
        return Need.NOTHING
