"""The step over HTTP: a message by POST, its events dropped and resumed."""

from __future__ import annotations

import hashlib

from checking import HELD_BYTES, LONG, Mismatch, check, new_id, say
from sluice_http import EventStream, HttpClient, HttpRefused
from sluice_session import TERMINAL, Frame


def over_http(base: str, token: str) -> None:
    """A message by POST, its events dropped and resumed."""
    client = HttpClient(base, token)
    status, opened = client.call(
        "POST", "/v1/sessions", Idempotency_Key=new_id("k")
    )
    check(
        (status, opened["type"]) == (201, "session.opened"),
        f"{status} {opened['type']}",
    )
    session = f"/v1/sessions/{opened['session']}"
    stream = client.events(
        "POST",
        f"{session}/messages",
        {"content": LONG, "messageId": new_id("m")},
    )
    text, last_id, turn, _ = collect(stream, until_bytes=HELD_BYTES)
    say("http-drop", turn=turn, heldBytes=len(text), lastEventId=last_id)

    events = f"{session}/turns/{turn}/events"
    rest, end_id, _, end = collect(
        client.events("GET", events, Last_Event_ID=last_id)
    )
    check(
        end is not None and end["type"] == "turn.completed",
        f"the stream ended with {end}",
    )
    whole = text + rest
    found = (len(whole), hashlib.sha256(whole).hexdigest())
    terminal: Frame = end or {}
    check(
        found == (terminal["bytes"], terminal["sha256"]),
        f"{found} is not {terminal}",
    )
    status, _ = client.call("GET", events, Last_Event_ID=end_id)
    check(status == 204, f"after the end: {status}")
    _, page = client.call("GET", f"{session}/history")
    check(
        page["records"][-1]["text"].encode() == whole,
        "history holds another text",
    )
    say(
        "http-resume",
        turn=turn,
        fromBytes=len(text),
        bytes=len(whole),
        sha256=found[1],
        after=status,
    )

    status, _ = client.call("DELETE", session)
    check(status == 204, f"delete: {status}")
    try:
        client.call("GET", session)
        raise Mismatch("a deleted session was found")
    except HttpRefused as refused:
        check(
            (refused.status, refused.kind) == (404, "not-found"),
            str(refused),
        )
    say("http-delete", session=opened["session"], afterwards=404)


def collect(
    stream: EventStream, until_bytes: int | None = None
) -> tuple[bytes, str, str, Frame | None]:
    """Text, last id, turn and terminal record of a stream or its beginning."""
    text, last_id, turn, end = bytearray(), "", "", None
    for event in stream:
        last_id = event.id
        turn = event.frame.get("turn", turn)
        if event.name == "turn.delta":
            text += event.frame["text"].encode()
        elif event.name in TERMINAL:
            end = event.frame
        if until_bytes is not None and len(text) >= until_bytes:
            break
    stream.drop()
    return bytes(text), last_id, turn, end
