"""Our client with servers that cut, name, answer and repeat things as they like."""

import pytest

from cardsync.syncml.elements import (
    Add,
    Alert,
    AlertCode,
    Anchor,
    Command,
    Delete,
    Get,
    Item,
    Location,
    Map,
    Meta,
    Replace,
    Results,
    Status,
    Sync,
)
from syncml.test_client import Line, alert
from syncml.test_peers_servers import Odd


def begun(names: tuple[str, ...] = ("a", "b")) -> Line:
    """Give a session in which the client's items are under way: package 3."""
    line = Line(AlertCode.SLOW)
    for name in names:
        line.store.put(name, name.encode())
    return line.initialized(201)


def statuses(line: Line, code: int) -> list[Command]:
    """Answer the Sync of the client's last message, and all that is in it."""
    assert line.request
    (sync,) = [each for each in line.request.commands if isinstance(each, Sync)]
    number = line.request.header.msg_id
    inner = [Status(5, number, e.cmd_id, type(e).__name__, code) for e in sync.commands]
    return [Status(4, number, sync.cmd_id, "Sync", 200), *inner]


def sync(*commands: Command, number: int = 20, ours: str = "db", theirs: str = "theirs") -> Sync:
    """Give a Sync of the server."""
    return Sync(number, Location(ours), Location(theirs), commands=commands)


def add(number: int, name: str, data: bytes = b"x") -> Add:
    """Give an item of the server."""
    return Add(number, (Item(source=Location(name), data=data),))


def say(line: Line, *commands: Command, final: bool = True) -> None:
    """Answer the names that the client tells, then say more."""
    assert line.request
    told = [each for each in line.request.commands if isinstance(each, Map)]
    number = line.request.header.msg_id
    answers = [Status(5, number, each.cmd_id, "Map", 200) for each in told]
    line.say(*answers, *commands, final=final)


def ended(line: Line) -> int | None:
    """Answer what the client sends until it is done; give its status."""
    for _ in range(9):
        if line.request is not None:
            say(line)
    return line.status


@pytest.mark.parametrize("code", [200, 201, 207, 208, 209, 213, 418, 419])
def test_taken_by_any_name(code: int) -> None:
    """Added, merged, in conflict, there already: each way the server has it."""
    line = begun()
    line.say(*statuses(line, code), sync())

    assert 200 == ended(line)
    assert [("C1", "S1")] == [(e.own, e.peer) for e in line.store.anchors()]


@pytest.mark.parametrize("code", [214, 403, 413, 415, 420, 500, 510, 999])
def test_not_taken(code: int) -> None:
    """All else is a failure, told by its number, and nothing is agreed."""
    line = begun()
    line.say(*statuses(line, code), sync())

    assert code == ended(line)
    assert () == tuple(line.store.anchors())


def test_several_syncs_of_one_database() -> None:
    """In one message, and in several without Final."""
    line = begun()
    line.say(*statuses(line, 201), final=False)
    assert line.request
    assert [222] == [e.code for e in line.request.commands if isinstance(e, Alert)]
    say(line, sync(add(21, "g1")), sync(add(23, "g2"), number=22), final=False)
    say(line, sync(add(21, "g3")), final=False)
    say(line)

    assert 200 == ended(line)
    assert 5 == len(line.store.items())


def test_statuses_long_after() -> None:
    """Those of our items in the last message, behind all items of the server."""
    line = begun()
    owed = statuses(line, 201)
    say(line, sync(add(21, "g1")), final=False)
    say(line, *owed, sync())

    assert 200 == ended(line)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("./db", "./theirs"),
        ("/db", "theirs/"),
        (" db", "theirs"),
        ("IMEI:490154203237518/db", "theirs"),
        ("http://a.example/db", "./theirs"),
        ("", "theirs"),
    ],
)
def test_names_of_the_database(ours: str, theirs: str) -> None:
    """With a path, a device, a host before it: one of the two names tells which it is."""
    line = Line(AlertCode.SLOW)
    meta = Meta(anchor=Anchor("S1"))
    told = Alert(2, 201, (Item(Location(ours), Location(theirs), meta),))
    line.say(Status(1, 1, 1, "Alert", 200), told)
    line.say(*statuses(line, 201), sync(add(21, "g1"), ours=ours, theirs=theirs))

    assert 200 == ended(line)
    assert 1 == len(line.store.items())


def test_replace_of_what_is_not_here() -> None:
    """By the server's name alone it is an Add, and its name here is told."""
    line = begun()
    new = Replace(21, (Item(source=Location("g1"), data=b"x"),))
    line.say(*statuses(line, 201), sync(new))
    assert line.request
    (told,) = [each for each in line.request.commands if isinstance(each, Map)]

    assert ["g1"] == [each.target for each in told.items]
    assert 200 == ended(line)


def test_delete_of_what_is_not_here() -> None:
    """211, and both agree."""
    line = begun()
    line.say(*statuses(line, 201), sync(Delete(21, (Item(target=Location("gone")),))))

    assert ("Delete", 211) in line.codes()
    assert 200 == ended(line)


def test_same_item_twice() -> None:
    """It is one item; the last word counts, and its name is told in any case."""
    line = begun(())
    line.say(*statuses(line, 201), sync(add(21, "g1"), add(22, "g1", b"y")))

    assert [b"y"] == list(line.store.items().values())
    assert 200 == ended(line)


def test_device_information_is_asked_for_late() -> None:
    """A Get with package 2, in the manner of another version, is answered with package 3."""
    line = Line(AlertCode.SLOW)
    asked = Get(3, (Item(target=Location("./devinf11")),))
    line.say(Status(1, 1, 1, "Alert", 200), alert(2, 201), asked)
    assert line.request
    line.say(*statuses(line, 201), sync())

    assert 200 == ended(line)


def test_item_gets_another_name() -> None:
    """A Replace that names our item by its own and by the server's: the first counts."""
    line = begun(("a",))
    both = Replace(21, (Item(Location("a"), Location("g9"), data=b"new"),))
    line.say(*statuses(line, 201), sync(both))

    assert {"a": b"new"} == line.store.items()
    assert 200 == ended(line)


def test_package_that_never_ends() -> None:
    """Final comes late: the client asks for more, and takes what comes."""
    line = begun()
    line.say(*statuses(line, 201), sync(), final=False)
    for _ in range(5):
        assert line.request
        assert [222] == [e.code for e in line.request.commands if isinstance(e, Alert)]
        line.say(final=False)
    line.say()

    assert 200 == ended(line)


def test_results_that_nobody_asked_for() -> None:
    """Device information that comes unasked, or that is none, costs nothing."""
    line = begun()
    odd = Results(30, 77, (Item(source=Location("./x"), data=b"?"),), msg_ref=9)
    line.say(*statuses(line, 201), odd, sync())

    assert ("Results", 200) in line.codes()
    assert 200 == ended(line)


@pytest.mark.parametrize("there", ["moved/here", "/moved/here", " //a.example/moved/here\n"])
def test_relative_redirection(there: str) -> None:
    """Where a server has moved to may be told from where it was."""
    odd = Odd()
    odd.hear()
    odd.say(Status(1, 1, 0, "SyncHdr", 301, items=(Item(target=Location(there)),)))

    assert "http://a.example/moved/here" == odd.session.url
    assert 1 == odd.hear().header.msg_id
