"""The servers of WSP and OBEX beside one of HTTP: the same messages, answered by the same function.

    async with opened(Doors(wsp=("0.0.0.0", 9201)), "/dm", answer) as urls:
        ...

They have no TLS, and are open only where somebody asks for them. What they hold is bounded: see
`WspServer` and `ObexServer`.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import urlsplit

from cardsync.errors import ConfigError
from cardsync.transport.carrier import NONE, Answered, Fields, Handler
from cardsync.transport.obex_client import PORT as OBEX_PORT
from cardsync.transport.obex_server import ObexServer
from cardsync.transport.wsp_client import CONNECTION_PORT
from cardsync.transport.wsp_server import WspServer

Place: TypeAlias = tuple[str, int]
"""Host and port to listen on; port 0 takes any that is free."""

Answer: TypeAlias = Callable[[bytes, str, str | None, Fields], Awaitable[Answered]]
"""Takes body, content type, the query of the address, None where the carrier has no address, and
what is beside the message; answers."""


@dataclass(frozen=True, slots=True)
class Doors:
    """Where to listen, or None.

    WSP is in connection mode at its port, connectionless at the port below, as 9201 and 9200 are.
    """

    wsp: Place | None = None
    obex: Place | None = None

    @classmethod
    def read(cls, wsp: str | None, obex: str | None) -> "Doors":
        """Read HOST or HOST:PORT of each; raise `ConfigError` for what is neither."""
        return cls(
            None if wsp is None else read_place("--wsp", wsp, CONNECTION_PORT, {1}),
            None if obex is None else read_place("--obex", obex, OBEX_PORT, frozenset()),
        )


@asynccontextmanager
async def opened(doors: Doors, path: str, answer: Answer) -> AsyncIterator[dict[str, str]]:
    """Open what is asked for; give the addresses, by their scheme. Raises `ConfigError`.

    A request of WSP names an address, of which the path has to be `path`; OBEX names none.
    """
    urls: dict[str, str] = {}
    async with AsyncExitStack() as stack:
        if doors.wsp is not None:
            host, port = doors.wsp
            server = WspServer(_by_address(path, answer), host, port, max(0, port - 1))
            await _open(stack, server, f"--wsp {host}:{port}")
            for scheme, number in zip(("wsp", "wsp-connectionless"), server.ports, strict=True):
                urls[scheme] = f"wsp://{_named(host)}:{number}{path}"
        if doors.obex is not None:
            host, port = doors.obex
            obex = ObexServer(_without_address(answer), host, port)
            await _open(stack, obex, f"--obex {host}:{port}")
            urls["obex"] = f"obex://{_named(host)}:{obex.port}{path}"
        yield urls


def read_place(option: str, text: str, usual: int, never: "frozenset[int] | set[int]") -> Place:
    """Read HOST or HOST:PORT, an IPv6 address in brackets."""
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port
        (host or "").encode("idna")
    except ValueError:
        host, port = None, None
    if not host or parts.path or port in never:
        raise ConfigError(
            f"{option} {text}: HOST or HOST:PORT is expected, such as 0.0.0.0:{usual}"
        )
    return host, usual if port is None else port


async def _open(stack: AsyncExitStack, server: WspServer | ObexServer, what: str) -> None:
    try:
        await stack.enter_async_context(server)
    except (OSError, OverflowError) as error:
        await server.stop()
        raise ConfigError(
            f"{what}: cannot listen: {error}; choose another port, or 0 for any that is free"
        ) from error


def _by_address(path: str, answer: Answer) -> Handler:
    async def handle(url: str, content_type: str, body: bytes, fields: Fields) -> Answered:
        try:
            parts = urlsplit(url)
        except ValueError:
            return 400, "text/plain", b"no address\n", NONE
        if parts.path != path:
            return 404, "text/plain", f"SyncML is at {path}\n".encode(), NONE
        return await answer(body, content_type, parts.query, fields)

    return handle


def _without_address(answer: Answer) -> Handler:
    async def handle(_url: str, content_type: str, body: bytes, fields: Fields) -> Answered:
        return await answer(body, content_type, None, fields)

    return handle


def _named(host: str) -> str:
    return f"[{host}]" if ":" in host else host
