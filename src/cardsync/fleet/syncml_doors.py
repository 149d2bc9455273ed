"""WSP and OBEX for the stand-alone SyncML server, in a thread beside that of HTTP."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager

from cardsync.fleet.syncml_http import PATH
from cardsync.fleet.syncml_server import Reply
from cardsync.syncml.auth import HMAC_HEADER
from cardsync.transport.carrier import Answered, Fields
from cardsync.transport.doors import Answer, Doors, opened

Serve = Callable[[bytes, str, str | None, str, str | None], Reply]
"""Answers a body, its content type, the query of the URL, None where there is no URL, the address
that it came from, where that is known, and its `x-syncml-hmac`."""


@contextmanager
def beside(doors: Doors, serve: Serve) -> Iterator[tuple[str, ...]]:
    """Serve what is asked for; give the addresses. Raises `ConfigError`."""
    stack = AsyncExitStack()
    loop = asyncio.new_event_loop()
    try:
        urls = loop.run_until_complete(
            stack.enter_async_context(opened(doors, PATH, _answer(serve)))
        )
        thread = threading.Thread(target=loop.run_forever)
        thread.start()
        try:
            yield tuple(urls.values())
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.run_until_complete(stack.aclose())
            loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        loop.close()


def _answer(serve: Serve) -> Answer:
    async def answer(body: bytes, content_type: str, query: str | None, fields: Fields) -> Answered:
        mac = fields.get(HMAC_HEADER)
        reply = await asyncio.to_thread(serve, body, content_type, query, "", mac)
        beside = {} if reply.mac is None else {HMAC_HEADER: reply.mac}
        return reply.status, reply.content_type, reply.body, beside

    return answer
