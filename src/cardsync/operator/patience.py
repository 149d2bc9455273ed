"""uvicorn's HTTP, with a bound for what it waits for without one: the head of a request.

A client that sends its request line and fields octet by octet, or nothing at all, would hold one of
our connections for ever, and so would one that never reads its answer. Where there are as many
connections as there may be, a new one gets the place of the one that has waited longest.
"""

import asyncio
from typing import Any
from weakref import WeakKeyDictionary

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

HEAD_SECONDS = 15.0
"""For request line and fields together, from the connection or the next request's first octet."""
MAX_HEAD = 1 << 16
"""Octets of the same."""
REQUEST_SECONDS = 180.0
"""For body and answer, of which the body has its own bound where it is read."""

_WAITING: WeakKeyDictionary[ServerState, dict["PatientProtocol", None]] = WeakKeyDictionary()
"""The connections of each server that wait for a request or its head, the longest first."""


class PatientProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._waiting = _WAITING.setdefault(self.server_state, {})
        self._end: asyncio.TimerHandle | None = None
        self._head = 0
        self._waits = True  # for a head

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for a first request."""
        super().connection_made(transport)
        if self.limit_concurrency is not None and len(self.connections) >= self.limit_concurrency:
            self._make_room()
        self._waiting[self] = None
        self._allow(HEAD_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._waiting.pop(self, None)
        self._stop()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take octets; those of a head are counted."""
        if self._end is None:  # the first octets of another request
            self._allow(HEAD_SECONDS)
        self._head += len(data) if self._waits else 0
        super().data_received(data)
        if self._waits and self._head > MAX_HEAD:
            self.transport.abort()

    def on_headers_complete(self) -> None:
        """Go on with body and answer."""
        self._waits, self._head = False, 0
        self._waiting.pop(self, None)
        self._allow(REQUEST_SECONDS)
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        """Wait for another request, as long as uvicorn does, unless one has come already."""
        self._stop()
        super().on_response_complete()
        self._waits = self.cycle.response_complete
        if self._waits:
            self._waiting[self] = None
        else:
            self._allow(REQUEST_SECONDS)

    def _make_room(self) -> None:
        oldest = next(iter(self._waiting), None)
        if oldest is not None:
            del self._waiting[oldest]
            self.connections.discard(oldest)  # at once: it counts for a 503
            oldest.transport.abort()

    def _allow(self, seconds: float) -> None:
        self._stop()
        self._end = self.loop.call_later(seconds, self.transport.abort)

    def _stop(self) -> None:
        if self._end is not None:
            self._end.cancel()
            self._end = None
