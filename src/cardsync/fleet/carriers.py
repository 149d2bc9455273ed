"""The carriers of a terminal, one for each transport that a card may order.

docs/request-synchronization.md table 8.3A tells which address goes where by which of them.
"""

from contextlib import ExitStack
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from cardsync.errors import ConfigError
from cardsync.toolkit.synchronization_objects import Transport
from cardsync.transport.carrier import Carrier, CarrierError, Tap, parted
from cardsync.transport.http import HttpCarrier
from cardsync.transport.obex_client import ObexCarrier
from cardsync.transport.wsp_client import WspCarrier


def _deaf(_way: str, _octets: bytes) -> None:
    """Hear nothing."""


@dataclass(frozen=True, slots=True)
class Taps:
    """Who hears what goes by each carrier."""

    http: Tap = _deaf
    wsp: Tap = _deaf
    wsp_connectionless: Tap = _deaf
    obex: Tap = _deaf


@dataclass(frozen=True, slots=True)
class Settings:
    """What a user sets. `timeout` is seconds for one exchange.

    `gateway` is a WAP gateway, HOST or HOST:PORT, or empty: in connection mode at that port,
    without connection at the one below, as 9201 and 9200 are. `authorities` a PEM file of those
    whose certificates are trusted in place of the usual ones. `redirections` of HTTP are followed;
    none where a card says the address.
    """

    gateway: str = ""
    authorities: str = ""
    timeout: float = 30.0
    redirections: int = 0


class Carriers:
    """All carriers; `by_transport` is what an agent takes. Raises `ConfigError`."""

    def __init__(self, settings: Settings, taps: Taps) -> None:
        timeout, where = settings.timeout, _place(settings.gateway)
        trusted = Path(settings.authorities) if settings.authorities else None
        http = HttpCarrier(
            timeout=timeout, verify=trusted, tap=taps.http, redirections=settings.redirections
        )
        wsp = WspCarrier(*where, timeout=timeout, tap=taps.wsp)
        below = where[0], where[1] and where[1] - 1
        unit = WspCarrier(*below, connectionless=True, timeout=timeout, tap=taps.wsp_connectionless)
        obex = ObexCarrier(timeout=timeout, tap=taps.obex)
        self.by_transport: dict[int, Carrier] = {
            Transport.HTTP: http,
            Transport.HTTPS: http,
            Transport.WSP: wsp,
            Transport.WSP_CONNECTIONLESS: unit,
            Transport.OBEX: obex,
        }
        self._gateway = where[0]
        self._open = ExitStack()
        for carrier in (http, wsp, unit, obex):
            self._open.callback(carrier.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def choose(self, url: str, *, connectionless: bool = False) -> Carrier:
        """Give the carrier for an address; one of HTTP goes by the gateway, if there is one."""
        wsp = Transport.WSP_CONNECTIONLESS if connectionless else Transport.WSP
        scheme = url.partition(":")[0].lower()
        if scheme == "wsp" or (self._gateway and scheme in {"http", "https"}):
            return self.by_transport[wsp]
        return self.by_transport[Transport.OBEX if scheme == "obex" else Transport.HTTP]

    def is_open(self, url: str) -> bool:
        """Say whether others than the server may read what goes to an address.

        Nobody can on this machine, or under TLS, which does not begin before a gateway.
        """
        parts = urlsplit(url)
        hosts = [self._gateway] if self._gateway and parts.scheme != "obex" else []
        if parts.scheme.lower() != "https":
            hosts.append(parts.hostname or "")
        return not all(map(_is_here, hosts))

    def close(self) -> None:
        """Close what is open."""
        self._open.close()


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _place(gateway: str) -> tuple[str | None, int | None]:
    if not gateway:
        return None, None
    try:
        parts = parted(f"wsp://{gateway}", ("wsp",))
    except CarrierError as exc:
        raise ConfigError(f"the WAP gateway {gateway!r}: HOST or HOST:PORT is expected") from exc
    return parts.hostname, parts.port
