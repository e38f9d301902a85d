"""What every step of the walk-through needs: messages, checks, its line."""

from __future__ import annotations

import json
import secrets
from typing import Any

from sluice_session import Frame, Turn

LONG = "Tell me of the bridge, Grüße!\n[[tokens=120 tps=50]]"
# Held before a socket is dropped: a few two-byte characters are among them.
HELD_BYTES = 45
SHORT = "And shortly?\n[[tokens=10 tps=100]]"


class Mismatch(Exception):
    """The gateway did something else than the document says."""


def check(holds: bool, problem: str) -> None:
    """Raises Mismatch unless it holds."""
    if not holds:
        raise Mismatch(problem)


def say(step: str, **facts: Any) -> None:
    """Prints a step's line."""
    print(
        json.dumps({"step": step, "ok": True, **facts}, ensure_ascii=False),
        flush=True,
    )


def new_id(prefix: str) -> str:
    """A random id."""
    return f"{prefix}-{secrets.token_urlsafe(12)}"


def ended_as(turn: Turn, type_: str) -> Frame:
    """The terminal record; it is of this type and names the text held."""
    check(turn.end is not None, f"{turn.turn} has no terminal record")
    end: Frame = turn.end or {}
    check(
        end["type"] == type_,
        f"{turn.turn} ended as {end['type']}, not {type_}",
    )
    sizes = f"{len(turn.text)} bytes held, {end['bytes']} said"
    check(turn.is_whole(), f"{turn.turn}: {sizes}, or another SHA-256")
    return end
