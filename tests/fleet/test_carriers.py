"""The carriers of a terminal: which there are, and by which gateway. R-52."""

from pathlib import Path

import pytest

from cardsync.errors import ConfigError
from cardsync.fleet.carriers import Carriers, Settings, Taps
from cardsync.toolkit.synchronization_objects import Transport

T = Transport


def test_every_transport_of_the_list() -> None:
    """Those that the PICS name."""
    with Carriers(Settings(), Taps()) as carriers:
        assert {T.WSP, T.WSP_CONNECTIONLESS, T.HTTP, T.HTTPS, T.OBEX} == set(carriers.by_transport)


@pytest.mark.parametrize("gateway", ["a:b", ":9201", "a:65536", "[::1"])
def test_no_gateway(gateway: str) -> None:
    """Whoever writes what is none learns what was expected."""
    with pytest.raises(ConfigError, match="HOST or HOST:PORT is expected"):
        Carriers(Settings(gateway), Taps())


def test_no_authorities(tmp_path: Path) -> None:
    """A file that is not there is told before anything runs."""
    with pytest.raises(ConfigError, match="PEM file"):
        Carriers(Settings(authorities=str(tmp_path / "none.pem")), Taps())


@pytest.mark.parametrize(
    ("url", "gateway", "is_open"),
    [
        ("http://a.example/s", "", True),
        ("http://127.0.0.1:9/s", "", False),
        ("http://[::1]:9/s", "", False),
        ("http://localhost/s", "", False),
        ("https://a.example/s", "", False),
        ("wsp://a.example/s", "", True),
        ("obex://127.0.0.1:650/s", "", False),
        ("https://a.example/s", "b.example", True),
        ("https://a.example/s", "127.0.0.1:9201", False),
        ("http://a.example/s", "127.0.0.1:9201", True),
    ],
)
def test_where_others_can_read(url: str, gateway: str, *, is_open: bool) -> None:
    """Everywhere but on this machine and under TLS, which begins behind a gateway."""
    with Carriers(Settings(gateway), Taps()) as carriers:
        assert is_open == carriers.is_open(url)
