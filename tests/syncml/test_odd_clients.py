"""Clients that share a name, change it, begin anew or number their messages as they like."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cardsync.fleet.syncml_server import Settings, SyncmlServer
from cardsync.syncml import auth
from cardsync.syncml.elements import Cred
from cardsync.terminal.databases.sources import Source, open_source
from syncml.test_peers_devices import OK, Device, alert, basic, codes, contents, items, put, sync

USERS = {"ann": b"secret", "bob": b"secret"}
ANN, BOB = basic("ann", "secret"), basic("bob", "secret")


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Source]:
    """Give a folder of the server with an item."""
    made = open_source(f"notes={tmp_path / 's'}")
    (tmp_path / "s" / "ours.txt").write_text("ours")
    yield made
    made.close()


@pytest.fixture
def server(source: Source) -> SyncmlServer:
    """Give a server that asks who it is."""
    return SyncmlServer([source], Settings(USERS, auth.Scheme.BASIC))


@pytest.mark.parametrize("number", [7, 8])
@pytest.mark.parametrize("keeps_url", [False, True])
def test_two_users_of_one_name(
    server: SyncmlServer, number: int, keeps_url: bool, tmp_path: Path
) -> None:
    """Plug-ins that all call themselves the same, at the same time: each has its own session."""
    people = [Device(server, "plug-in"), Device(server, "plug-in")]
    people[1].origin = "192.0.2.2"
    people[1].session = number
    for device, cred in zip(people, (ANN, BOB), strict=True):
        assert [212, 200] == codes(device.send(alert(), cred=cred))
        device.url = "http://sync.example/syncml" if keeps_url else device.url
    for device, text in zip(people, ("of ann", "of bob"), strict=True):
        reply = device.send(sync(put("1", text)))
        assert OK >= set(codes(reply))
        assert ("ours.txt", b"ours") in items(reply)

    assert ["of ann", "of bob", "ours"] == contents(tmp_path)


def test_another_session_of_a_device(server: SyncmlServer, tmp_path: Path) -> None:
    """It begins anew in the middle, and then goes on with the first one all the same."""
    first, second = Device(server), Device(server)
    second.begin(99)
    for device in (first, second):
        device.send(alert(), cred=ANN)
    for device in (second, first):
        assert OK >= set(codes(device.send(sync(put("1", "same")))))

    assert ["ours", "same"] == contents(tmp_path)


def test_another_name(server: SyncmlServer, tmp_path: Path) -> None:
    """A device that changed its name is a new one; what is equal is found again, not doubled."""
    for name in ("IMEI:490154203237518", "plug-in 2.0"):
        device = Device(server, name)
        device.send(alert(), cred=ANN)
        device.send(sync(put("1", "theirs"), put("2", "ours")))

    assert ["ours", "theirs"] == contents(tmp_path)


@pytest.mark.parametrize("session", [7, 0, 65536, 1 << 62])
def test_session_numbers(server: SyncmlServer, session: int, tmp_path: Path) -> None:
    """One number for all sessions: message 1 begins a new one, and what was agreed holds."""
    device = Device(server)
    for now, last in (("1", "0"), ("2", "1"), ("3", "2")):
        device.begin(session)
        first = device.send(alert(code=200, last=last, now=now), cred=ANN)
        device.send(sync(put("1", f"version {now}")))
        device.send()

        assert [212, 508 if now == "1" else 200] == codes(first)
    assert ["ours", "version 3"] == contents(tmp_path)


def test_messages_that_begin_at_1_again(server: SyncmlServer, tmp_path: Path) -> None:
    """In the middle of a session message 1 is the first of another: it must show who it is."""
    device = Device(server)
    device.send(alert(), cred=ANN)
    device._message = 0
    device.told = None

    assert [407, 407] == codes(device.send(sync(put("1", "x"))))[:2]
    assert ["ours"] == contents(tmp_path)


@pytest.mark.parametrize("number", [0, 3, 1000, (1 << 64) - 1])
def test_messages_out_of_turn(server: SyncmlServer, number: int, tmp_path: Path) -> None:
    """400, nothing has changed, and the right one goes on."""
    device = Device(server)
    device.send(alert(), cred=ANN)
    device._message = number - 1
    assert [400] == codes(device.send(sync(put("1", "x"))))
    device._message, device.told = 1, None

    assert OK >= set(codes(device.send(sync(put("1", "y")))))
    assert ["ours", "y"] == contents(tmp_path)


@pytest.mark.parametrize("cred", [ANN, None])
def test_name_that_is_empty(server: SyncmlServer, cred: Cred | None) -> None:
    """A device that tells no name is served as any other."""
    assert [212 if cred else 407] == codes(Device(server, "").send(alert(), cred=cred))[:1]
