"""The page that a card opens in the browser of its phone: `/phone?t=TOKEN`.

Anybody may ask for it, so it is served by itself: one path, GET alone, without script and without
a second request. It says in the subscriber's language what happens; what it notes is that the
browser came, once. HEAD is refused, so that whoever only looks at an address does not use it up.
"""

import logging
import tomllib
from base64 import b64encode, urlsafe_b64decode
from binascii import Error
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path
from secrets import token_urlsafe

import anyio
import psycopg
from anyio.to_thread import run_sync
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from cardsync.errors import PeerError
from cardsync.operator.arrivals import LONGEST_AGENT, Arrivals, Browser
from cardsync.operator.endpoint import Receive, Scope, Send
from cardsync.operator.store.cards import TOKEN_WINDOW, TokenUsed

_HERE = Path(__file__).parent
_TEXTS = tomllib.loads((_HERE / "phone.toml").read_text("utf-8"))
_DEFAULT = "en"
_OUTCOMES = {
    HTTPStatus.OK: "good",
    HTTPStatus.GONE: "used",
    HTTPStatus.FORBIDDEN: "invalid",
    HTTPStatus.METHOD_NOT_ALLOWED: "invalid",
    HTTPStatus.SERVICE_UNAVAILABLE: "busy",
}
"""What is said at a status, by its name in the texts."""
_COOKIE = "visitor"
_LONGEST = 64  # characters of a token; ours have 40
_WORKERS = 8
_STYLE = (_HERE / "static" / "phone.css").read_text("utf-8")
_STYLE_HASH = b64encode(sha256(_STYLE.encode()).digest()).decode()
_PAGE = Environment(
    loader=FileSystemLoader(_HERE / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
).get_template("phone.html")

_LOG = logging.getLogger(__name__)


class PhonePage:
    """An ASGI application; `headers` are those of every page."""

    def __init__(
        self,
        arrivals: Arrivals,
        headers: Mapping[str, str],
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._arrivals = arrivals
        self._headers = {
            **headers,
            "content-security-policy": (
                f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; "
                "form-action 'none'; frame-ancestors 'none'"
            ),
            "vary": "accept-language, cookie",
            "x-robots-tag": "noindex",
        }
        self._clock = clock
        self._limiter: anyio.CapacityLimiter | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(_WORKERS)
        request = Request(scope)
        if request.method == "GET":
            response = await run_sync(self._answer, request, limiter=self._limiter)
        else:
            response = self._page(HTTPStatus.METHOD_NOT_ALLOWED, _preferred(request))
            response.headers["allow"] = "GET"
        await response(scope, receive, send)

    def _answer(self, request: Request) -> HTMLResponse:
        browser = _browser(request)
        try:
            token = _token(request.query_params.get("t", ""))
            language = self._arrivals.take(token, browser, self._clock())
        except TokenUsed:
            return self._page(HTTPStatus.GONE, browser.language)
        except PeerError as error:
            _LOG.info("the page of a card was asked for in vain: %s", error)
            return self._page(HTTPStatus.FORBIDDEN, browser.language)
        except psycopg.OperationalError:
            busy = self._page(HTTPStatus.SERVICE_UNAVAILABLE, browser.language)
            busy.headers["retry-after"] = "10"
            return busy
        page = self._page(HTTPStatus.OK, language or browser.language, browser.agent)
        page.set_cookie(
            _COOKIE,
            browser.visitor,
            max_age=int(TOKEN_WINDOW.total_seconds()),
            path=request.url.path,
            secure=request.url.scheme == "https",
            httponly=True,
            samesite="lax",
        )
        return page

    def _page(self, status: HTTPStatus, language: str, agent: str = "") -> HTMLResponse:
        spoken = language if language in _TEXTS else _DEFAULT
        texts = _TEXTS[spoken]
        outcome = texts[_OUTCOMES[status]]
        page = _PAGE.render(
            language=spoken, style=_STYLE, texts=texts, outcome=outcome, agent=agent
        )
        headers = {**self._headers, "content-language": spoken}
        return HTMLResponse(page, status, headers)


def _token(text: str) -> bytes:
    """Read a token from the address; raise `PeerError` for what is none."""
    try:
        return urlsafe_b64decode(text[:_LONGEST].encode("ascii"))
    except (ValueError, Error) as exc:
        raise PeerError("the address has no token in it") from exc


def _browser(request: Request) -> Browser:
    agent = request.headers.get("user-agent", "")[:LONGEST_AGENT]
    printable = "".join([sign if sign.isprintable() else "?" for sign in agent])
    visitor = request.cookies.get(_COOKIE, "") or token_urlsafe(16)
    return Browser(visitor, printable or "a browser without a name", _preferred(request))


def _preferred(request: Request) -> str:
    """Give the first language that the browser names and we speak; else nothing."""
    wanted = request.headers.get("accept-language", "")[:LONGEST_AGENT]
    named = [one.strip().partition(";")[0][:2].lower() for one in wanted.split(",")]
    return next((one for one in named if one in _TEXTS), "")
