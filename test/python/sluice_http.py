"""The HTTP side of Sluice with the standard library alone.

The problem: `http.client` knows neither JSON refusals nor event streams.  The
invariant: an `Event` is handed out only when its blank line came, so the `id`
of the last one handed out is a place that everything before it is held of.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

ANSWER_DEADLINE_S = 20.0


class HttpRefused(Exception):
    """The gateway answered with an `error` body."""

    def __init__(self, status: int, error: dict[str, Any]) -> None:
        super().__init__(f"{status} {error['kind']}: {error['message']}")
        self.status = status
        self.kind: str = error["kind"]


@dataclass(frozen=True)
class Event:
    """One event of a stream: its place, its name and its frame."""

    id: str
    name: str
    frame: dict[str, Any]


class EventStream:
    """The events of one response.  Iterate, then `drop`."""

    def __init__(
        self,
        connection: http.client.HTTPConnection,
        response: http.client.HTTPResponse,
    ) -> None:
        self.status = response.status
        self._connection = connection
        self._response = response

    def __iter__(self) -> Iterator[Event]:
        fields: dict[str, str] = {}
        last_id = ""
        for line in self._response:
            text = line.decode().rstrip("\r\n")
            if text == "":
                if "data" in fields:
                    last_id = fields.get("id", last_id)
                    yield Event(
                        last_id,
                        fields.get("event", "message"),
                        json.loads(fields["data"]),
                    )
                fields = {}
            elif not text.startswith(":"):
                name, _, value = text.partition(":")
                value = value.removeprefix(" ")
                fields[name] = (
                    f"{fields[name]}\n{value}"
                    if name == "data" and name in fields
                    else value
                )

    def drop(self) -> None:
        """Leaves, whether the stream has ended or not."""
        self._response.close()
        self._connection.close()


class HttpClient:
    """Requests of one subject.  `base` is like `http://127.0.0.1:8080`."""

    def __init__(self, base: str, token: str = "") -> None:
        self._host = urlsplit(base).netloc
        self._token = token

    def call(
        self, method: str, path: str, body: object = None, **headers: str
    ) -> tuple[int, Any]:
        """Status and JSON answer, None if empty.

        Raises HttpRefused or OSError.
        """
        connection, response = self._ask(method, path, body, headers)
        try:
            text = response.read()
        finally:
            connection.close()
        answer: Any = json.loads(text) if text else None
        if response.status >= 400:
            raise HttpRefused(response.status, answer["error"])
        return response.status, answer

    def events(
        self, method: str, path: str, body: object = None, **headers: str
    ) -> EventStream:
        """The events of a POSTed message or of a turn.

        Raises HttpRefused or OSError.
        """
        connection, response = self._ask(
            method, path, body, {"Accept": "text/event-stream", **headers}
        )
        if response.status >= 400:
            raise HttpRefused(
                response.status, json.loads(response.read())["error"]
            )
        return EventStream(connection, response)

    def _ask(
        self, method: str, path: str, body: object, headers: dict[str, str]
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        connection = http.client.HTTPConnection(
            self._host, timeout=ANSWER_DEADLINE_S
        )
        head = {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        if self._token:
            head["Authorization"] = f"Bearer {self._token}"
        payload = None
        if body is not None:
            payload = json.dumps(body).encode()
            head["Content-Type"] = "application/json"
        connection.request(method, path, payload, head)
        return connection, connection.getresponse()
