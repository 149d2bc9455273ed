"""The stage of the demo: its home, its card, its ports."""

import json
import os
import socket
from pathlib import Path

import pytest

from cardsync.card.slot import read_image
from cardsync.errors import ConfigError
from cardsync.fleet import journey
from cardsync.fleet.journey import Stage


def test_home_is_held_by_one(tmp_path: Path) -> None:
    """The second stage in one home is refused and says what to do."""
    with (
        Stage(tmp_path),
        pytest.raises(ConfigError, match="another demo"),
        Stage(tmp_path),
    ):
        pass


def test_home_that_cannot_be(tmp_path: Path) -> None:
    """A home below a file is refused with the reason."""
    (tmp_path / "file").touch()

    with pytest.raises(ConfigError, match="cannot be used"), Stage(tmp_path / "file" / "home"):
        pass


def test_card_is_made_once(tmp_path: Path) -> None:
    """The card is in use once the operator has its keys, and is never made again."""
    with Stage(tmp_path) as stage:
        made = stage.card()
        again = stage.card()
        stage.keep_card()
        kept = stage.card()

    assert made is not None
    assert made != again
    assert kept is None
    image = tmp_path / "mobile" / "card.image"
    assert 0o600 == image.stat().st_mode & 0o777
    assert read_image(image).names("key:") == ("key:1", "key:2")
    (card,) = json.loads(made)
    assert (journey.ICCID, [1, 2]) == (card["iccid"], [one["number"] for one in card["keys"]])


def test_ports_that_are_taken(tmp_path: Path) -> None:
    """A port in use is passed over; the next run takes what this one took."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        (tmp_path / "ports.json").write_text(json.dumps({"http": port}))
        with Stage(tmp_path) as stage:
            first = stage.ports()
    with Stage(tmp_path) as stage:
        second = stage.ports()

    assert port != first["http"]
    assert first["http"] == second["http"]


def test_clear_forgets(tmp_path: Path) -> None:
    """After `clear` the next card is another one."""
    with Stage(tmp_path) as stage:
        first = stage.card()
        stage.keep_card()
        stage.clear()
        second = stage.card()

    assert first != second
    assert second is not None


def test_default_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """Root's home is where another account can enter; others have theirs."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert Path("/var/lib/cardsync/demo") == journey.default_home()
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    assert Path("/state/cardsync/demo") == journey.default_home()


def test_two_stages_never_share_a_port(tmp_path: Path) -> None:
    """A port is taken in the moment in which it is found free."""
    with Stage(tmp_path / "one") as one, Stage(tmp_path / "two") as two:
        assert set() == set(one.ports().values()) & set(two.ports().values())


def test_ports_that_nobody_can_read(tmp_path: Path) -> None:
    """A file that was torn is passed over."""
    (tmp_path / "ports.json").write_text("{")
    with Stage(tmp_path) as stage:
        assert set(journey.USUAL_PORTS) == set(stage.ports())
