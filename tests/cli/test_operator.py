"""`cardsync operator serve`: what is wrong with its options is said before anything starts."""

import socket
from pathlib import Path

import pytest

from cardsync.cli import operator
from cardsync.errors import ConfigError


@pytest.mark.parametrize("address", ["9000", "host:", ":9000", "host:port", "host:\u0661"])
def test_address_of_reports(tmp_path: Path, address: str) -> None:
    """HOST:PORT is expected, and said so with an example."""
    with pytest.raises(ConfigError, match=r"--reports .*: HOST:PORT is expected, such as"):
        operator.serve(home=tmp_path, reports=address)

    assert [] == list(tmp_path.iterdir())


def test_port_of_reports_in_use(tmp_path: Path) -> None:
    """A port that somebody has is named."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"port {port}.*choose another"):
            operator.serve(home=tmp_path, reports=f"127.0.0.1:{port}")


@pytest.mark.parametrize(
    ("host", "told"),
    [("127.0.0.1", "127.0.0.1:{}"), ("::1", "[::1]:{}"), ("0.0.0.0", "")],
)
def test_what_cards_are_told(host: str, told: str) -> None:
    """The address as a policy writes it; none where the operator listens everywhere."""
    with operator._listen(f"{host}:0", None) or socket.socket() as listening:
        assert told.format(listening.getsockname()[1]) == operator._where(listening)
    assert operator._listen(None, None) is None
    assert "" == operator._where(None)
