"""The operator's HTTP face: SyncML for devices, pages and JSON for people on this machine.

`/dm` is served by a plain ASGI function in front of everything else, and so is `/phone`, the page
that a card opens in the browser of its phone. Pages and API have no log-in yet, so they answer to
callers on this machine only, whatever address the server listens on.
"""

from ipaddress import ip_address
from pathlib import Path

import psycopg
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.staticfiles import StaticFiles

import cardsync.operator.console as console_package
from cardsync.operator.api.devices import Devices
from cardsync.operator.arrivals import Arrivals
from cardsync.operator.console import pages
from cardsync.operator.console.phone import PhonePage
from cardsync.operator.endpoint import Endpoint, Receive, Scope, Send
from cardsync.operator.store.database import Database
from cardsync.operator.synchronization import Synchronization

SYNCML_PATH = "/dm"
PAGE_PATH = "/phone"

HEADERS = {
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cache-control": "no-store",
}
"""Of every page and every answer of the API: nothing from elsewhere, nothing framed or kept."""

_LOCAL_NAMES = ["localhost", "127.0.0.1", "::1", "[::1]"]


class App:
    """The whole as one ASGI application."""

    def __init__(
        self, database: Database, synchronization: Synchronization, arrivals: Arrivals
    ) -> None:
        self.endpoint = Endpoint(synchronization)
        self._phone = PhonePage(arrivals, HEADERS)
        self._people = build_people(database)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send each request to where it belongs."""
        if scope["type"] == "http" and scope["path"] == SYNCML_PATH:
            await self.endpoint(scope, receive, send)
        elif scope["type"] == "http" and scope["path"] == PAGE_PATH:
            await self._phone(scope, receive, send)
        elif scope["type"] == "http" and not _is_local(scope):
            refusal = PlainTextResponse("only from this machine\n", 403, HEADERS)
            await refusal(scope, receive, send)
        else:
            await self._people(scope, receive, send)


def build_people(database: Database) -> "_Guarded":
    """Build pages and API; its OpenAPI description is at /api/openapi.json."""
    people = FastAPI(
        title="cardsync operator",
        version="1",
        openapi_url="/api/openapi.json",
        docs_url=None,  # these pages would need scripts from elsewhere
        redoc_url=None,
    )
    people.include_router(Devices(database).router, prefix="/api")
    people.include_router(pages.build(database))

    @people.get("/healthz", include_in_schema=False)
    def health() -> JSONResponse:
        """Say whether the database answers."""
        with database.transaction() as connection:
            connection.execute("SELECT 1")
        return JSONResponse({"status": "ok"})

    @people.exception_handler(psycopg.OperationalError)
    def unavailable(_: Request, __: Exception) -> PlainTextResponse:
        """Answer while the database is away."""
        return PlainTextResponse("try again later\n", 503, {"retry-after": "2"})

    static = Path(console_package.__path__[0]) / "static"
    people.mount("/static", StaticFiles(directory=static), name="static")
    # A page elsewhere may point its own name at this machine; that name is not ours.
    people.add_middleware(TrustedHostMiddleware, allowed_hosts=_LOCAL_NAMES)
    return _Guarded(people)


class _Guarded:
    """Adds the security headers to whatever answers, errors too."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self._headers = [(name.encode(), value.encode()) for name, value in HEADERS.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def guarded(event: dict[str, object]) -> None:
            if event["type"] == "http.response.start":
                event = {**event, "headers": [*event.get("headers", []), *self._headers]}  # type: ignore[misc]  # ASGI events are loosely typed
            await send(event)

        await self._app(scope, receive, guarded)  # type: ignore[arg-type]  # the same


def _is_local(scope: Scope) -> bool:
    """Say whether the caller is on this machine."""
    client = scope.get("client")
    if not client:
        return False
    try:
        return ip_address(client[0]).is_loopback
    except ValueError:
        return False
