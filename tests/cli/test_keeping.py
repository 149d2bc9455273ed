"""`cardsync operator account` and `restore`: what is wrong is said before anything starts."""

import io
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cardsync.cli import keeping
from cardsync.errors import ConfigError


def test_time_of_a_restoration() -> None:
    """ISO 8601; without a zone it is the local time."""
    assert datetime(2026, 11, 23, 4, 30, tzinfo=UTC) == keeping._moment("2026-11-23T04:30Z")
    assert keeping._moment("2026-11-23T04:30").tzinfo is not None


def test_time_that_is_none(tmp_path: Path) -> None:
    """The message shows what a time looks like."""
    with pytest.raises(ConfigError, match=r"--before yesterday: .*such as 2026-"):
        keeping.restore("IMEI:1", home=tmp_path, before="yesterday")

    assert [] == list(tmp_path.iterdir())


def test_password_comes_by_environment_or_standard_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never as an argument, which every account of the machine could read."""
    monkeypatch.setenv("CARDSYNC_ACCOUNT_PASSWORD", "one")
    given = [keeping._password()]
    monkeypatch.delenv("CARDSYNC_ACCOUNT_PASSWORD")
    monkeypatch.setattr("sys.stdin", io.StringIO("two\n"))
    given.append(keeping._password())
    with pytest.raises(ConfigError, match="a password is expected"):
        keeping.account("lab", home=tmp_path)

    assert [b"one", b"two"] == given
