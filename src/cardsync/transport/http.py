"""Octets with a content type by HTTP POST, and back: the client of every message-based protocol.

    with HttpCarrier(timeout=30) as carrier:
        content_type, body = carrier.exchange(url, "application/vnd.syncml+wbxml", message)

What goes wrong is a `CarrierError`. TLS certificates are verified, always.
"""

import email.utils
import ssl
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

import httpcore
import httpx

from cardsync.errors import ConfigError, LocalError
from cardsync.transport.carrier import CarrierError, Failure, Tap

LARGEST_BODY = 16 * 1024 * 1024

_CODINGS = {"identity", "gzip", "x-gzip"}
_GZIP = 16 + zlib.MAX_WBITS


class HttpCarrier:
    """An HTTP/1.1 client that keeps one connection open; for one thread at a time.

    `timeout` is seconds for a whole exchange from connecting to the last octet (the look-up of
    a name in the DNS is the system's). `verify` is the path of a file of certificate authorities
    in place of the usual ones. `proxy` is the address of a proxy; none is taken from the
    environment. `largest` bounds the body of an answer. `redirections` are followed in one
    exchange, within the same host.
    """

    def __init__(
        self,
        *,
        timeout: float = 30.0,
        largest: int = LARGEST_BODY,
        verify: Path | None = None,
        proxy: str | None = None,
        redirections: int = 0,
        tap: Tap | None = None,
        user_agent: str = "cardsync",
    ) -> None:
        self._timeout = timeout
        self._largest = largest
        self._redirections = redirections
        self._deadline = _Deadline()
        backend = _Backend(self._deadline, tap)
        self._client = httpx.Client(
            transport=_Transport(_trust(verify), proxy, backend),
            headers={"User-Agent": user_agent, "Accept-Encoding": "identity"},
            timeout=timeout,
            follow_redirects=False,
            trust_env=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def exchange(self, url: str, content_type: str, body: bytes) -> tuple[str, bytes]:
        """Post a message; give the answer's content type (as it was sent, or empty) and body.

        Raises `CarrierError` and nothing else for whatever the address and the server do.
        """
        return self.exchange_beside(url, content_type, body, {})[:2]

    def exchange_beside(
        self, url: str, content_type: str, body: bytes, fields: Mapping[str, str]
    ) -> tuple[str, bytes, Mapping[str, str]]:
        """Do as `exchange` does, with header fields beside the message both ways, in UTF-8."""
        headers = {name.encode(): value.encode() for name, value in fields.items()}
        headers[b"Content-Type"] = content_type.encode()
        self._deadline.start(self._timeout)
        try:
            return self._post(url, body, headers, self._redirections)
        except httpcore.TimeoutException as exc:
            detail = f"no whole answer within {self._timeout:g} s"
            raise CarrierError(Failure.TIMED_OUT, detail) from exc
        except (httpcore.UnsupportedProtocol, httpx.InvalidURL, UnicodeError) as exc:
            # The address may hold a token: it is not repeated.
            raise CarrierError(Failure.UNSUPPORTED, "no http or https address") from exc
        except httpcore.LocalProtocolError as exc:
            raise LocalError(f"a request that cannot be written: {exc}") from exc
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.ProxyError) as exc:
            raise CarrierError(_kind_of(exc), str(exc) or type(exc).__name__) from exc

    def _post(
        self, url: str, body: bytes, headers: dict[bytes, bytes], redirections: int
    ) -> tuple[str, bytes, Mapping[str, str]]:
        """Post a message, again where the server says that it is served at another path."""
        with self._client.stream("POST", url, content=body, headers=headers) as response:
            there = _redirected(response) if redirections else None
            if there is None:
                self._check(response)
                told = response.headers
                return told.get("Content-Type", ""), self._read(response), told
        return self._post(there, body, headers, redirections - 1)

    def _check(self, response: httpx.Response) -> None:
        """Let pass an answer whose body is worth reading."""
        status = response.status_code
        if not 200 <= status < 300:
            pause = _retry_after(response.headers.get("Retry-After", ""))
            detail = f"status {status}" + (", not followed" if 300 <= status < 400 else "")
            raise CarrierError(Failure.REFUSED, detail, status=status, retry_after=pause)
        coding = response.headers.get("Content-Encoding", "identity")
        if coding.strip().lower() not in _CODINGS:
            raise CarrierError(Failure.GARBLED, f"content coding {coding!r}", status=status)
        promised = response.headers.get("Content-Length", "")
        if promised.isdecimal() and int(promised) > self._largest:
            raise self._too_large(status)

    def _read(self, response: httpx.Response) -> bytes:
        parts, size = [], 0
        for part in self._unpacked(response):
            size += len(part)
            if size > self._largest:
                raise self._too_large(response.status_code)
            parts.append(part)
        return b"".join(parts)

    def _unpacked(self, response: httpx.Response) -> Iterator[bytes]:
        """Unpack gzip, which some servers send although it was not offered, in bounded pieces."""
        if response.headers.get("Content-Encoding", "identity").strip().lower() == "identity":
            yield from response.iter_raw()
            return
        unpacking = zlib.decompressobj(_GZIP)
        try:
            for packed in response.iter_raw():
                yield unpacking.decompress(packed, self._largest + 1)
        except zlib.error as exc:
            raise CarrierError(Failure.GARBLED, f"gzip: {exc}") from exc
        if not unpacking.eof:
            raise CarrierError(Failure.GARBLED, "gzip that does not end")

    def _too_large(self, status: int) -> CarrierError:
        detail = f"an answer of more than {self._largest} octets"
        return CarrierError(Failure.TOO_LARGE, detail, status=status)


def _redirected(response: httpx.Response) -> str | None:
    """Give where a redirection leads, if that is the same host and port, or the same host by TLS.

    A message holds credentials: whoever else should have it, a person says.
    """
    if response.status_code not in (301, 302, 307, 308):
        return None
    here = response.request.url
    try:
        there = here.join(response.headers.get("Location", ""))
    except (httpx.InvalidURL, ValueError):
        return None
    by_tls = (here.scheme, there.scheme) == ("http", "https")
    same = (here.scheme, here.port) == (there.scheme, there.port) and there != here
    return str(there) if here.host == there.host and (same or by_tls) else None


def _trust(authorities: Path | None) -> ssl.SSLContext:
    if authorities is None:
        return httpx.create_ssl_context(trust_env=False)
    try:
        return ssl.create_default_context(cafile=authorities)
    except OSError as exc:  # ssl.SSLError is one
        raise ConfigError(
            f"{authorities} holds no certificate authorities that can be read: {exc}; "
            "give the path of a PEM file"
        ) from exc


def _kind_of(error: Exception) -> Failure:
    # httpcore makes its errors of those below it and cuts the chain: they are the arguments.
    of_tls = any(isinstance(reason, ssl.SSLError) for reason in error.args)
    if of_tls and isinstance(error, httpcore.ConnectError):
        return Failure.UNTRUSTED
    if isinstance(error, httpcore.RemoteProtocolError):
        # One class for both: a server that stops in the middle, and one that speaks no HTTP.
        stopped = any(word in str(error) for word in ("disconnected", "peer closed"))
        return Failure.UNREACHABLE if stopped else Failure.GARBLED
    return Failure.UNREACHABLE


def _retry_after(text: str) -> float | None:
    """Read Retry-After, a number of seconds or a date. RFC 9110 clause 10.2.3."""
    if text.isdecimal() and len(text) < 10:
        return float(text)
    try:
        when = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return max(0.0, (when - datetime.now(UTC)).total_seconds())


class _Deadline:
    """When the exchange that is running must be over; shared by all that waits in it."""

    def __init__(self) -> None:
        self._end = 0.0

    def start(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self, error: type[Exception]) -> float:
        left = self._end - time.monotonic()
        if left <= 0:
            raise error("the time for the exchange is over")
        return left


class _Stream(httpcore.NetworkStream):
    """A connection that is heard, and whose waiting ends with the exchange."""

    def __init__(self, inner: httpcore.NetworkStream, deadline: _Deadline, tap: Tap | None) -> None:
        self._inner = inner
        self._deadline = deadline
        self._tap = tap
        here, there = (_endpoint(inner, name) for name in ("client_addr", "server_addr"))
        self._out, self._in = f"{here}>{there}", f"{there}>{here}"

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        del timeout
        octets = self._inner.read(max_bytes, self._deadline.left(httpcore.ReadTimeout))
        if self._tap is not None and octets:
            self._tap(self._in, octets)
        return octets

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        del timeout
        self._inner.write(buffer, self._deadline.left(httpcore.WriteTimeout))
        if self._tap is not None and buffer:
            self._tap(self._out, bytes(buffer))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        del timeout
        left = self._deadline.left(httpcore.ConnectTimeout)
        inner = self._inner.start_tls(ssl_context, server_hostname, left)
        return _Stream(inner, self._deadline, self._tap)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _Backend(httpcore.NetworkBackend):
    """Opens connections of `_Stream`."""

    def __init__(self, deadline: _Deadline, tap: Tap | None) -> None:
        self._inner = httpcore.SyncBackend()
        self._deadline = deadline
        self._tap = tap

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        del timeout
        left = self._deadline.left(httpcore.ConnectTimeout)
        inner = self._inner.connect_tcp(host, port, left, local_address, socket_options)
        return _Stream(inner, self._deadline, self._tap)


class _Body(httpx.SyncByteStream):
    """The body of an answer, as it comes."""

    def __init__(self, response: httpcore.Response) -> None:
        self._response = response

    def __iter__(self) -> Iterator[bytes]:
        yield from self._response.iter_stream()

    def close(self) -> None:
        self._response.close()


class _Transport(httpx.BaseTransport):
    """httpx above, httpcore below, and our backend under that."""

    def __init__(self, trust: ssl.SSLContext, proxy: str | None, backend: _Backend) -> None:
        self._pool = httpcore.ConnectionPool(
            ssl_context=trust,
            proxy=None if proxy is None else httpcore.Proxy(proxy),
            max_connections=1,
            network_backend=backend,
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        response = self._pool.handle_request(
            httpcore.Request(
                method=request.method,
                url=httpcore.URL(
                    scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
                ),
                headers=request.headers.raw,
                content=cast("Iterable[bytes]", request.stream),
                extensions=request.extensions,
            )
        )
        return httpx.Response(
            response.status,
            headers=response.headers,
            stream=_Body(response),
            extensions=response.extensions,
        )

    def close(self) -> None:
        self._pool.close()


def _endpoint(stream: httpcore.NetworkStream, name: str) -> str:
    address = stream.get_extra_info(name)
    return f"{address[0]}:{address[1]}" if address else "?"
