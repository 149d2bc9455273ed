"""Objects larger than the other side takes: left out, told, and sent when it can take them."""

from dataclasses import replace
from pathlib import Path

import pytest

from cardsync.fleet.syncml_client import Order, synchronize
from cardsync.fleet.syncml_server import Settings, SyncmlServer
from cardsync.syncml import codec
from cardsync.syncml.datastore import Anchors
from cardsync.syncml.elements import Alert, AlertCode, Item, Meta
from cardsync.syncml.events import DatabaseResult, Finished, SessionResult
from cardsync.syncml.memory import MemoryClientDatastore, MemoryServerDatastore
from cardsync.syncml.server import ServerConfig
from cardsync.terminal.databases.sources import open_source
from syncml.pair import URL, Pair

LARGE = b"x" * 5000


def limited(most: int) -> Pair:
    """Give a client that takes objects of so many octets, and a server with a larger one."""
    pair = Pair(client_config=lambda config: replace(config, max_obj_size=most))
    for name, data in (("a", b"small"), ("b", LARGE), ("c", b"c" * most), ("d", b"d")):
        pair.store.put(name, data)
    return pair


def served(pair: Pair) -> DatabaseResult:
    """Give what the server's last session came to."""
    result: SessionResult = [e for e in pair.server.events if isinstance(e, Finished)][-1].result
    return result.databases[0]


@pytest.mark.parametrize("kind", [AlertCode.SLOW, AlertCode.REFRESH_FROM_SERVER])
def test_object_that_the_client_cannot_take(kind: AlertCode) -> None:
    """MaxObjSize of the Alert: 413 and one failed at the server; all else is agreed."""
    pair = limited(100)

    assert pair.sync(kind).ok
    assert {b"small", b"c" * 100, b"d"} == set(pair.client.items().values())
    assert (413, 1, 3) == (served(pair).status, served(pair).failed, served(pair).sent.added)
    assert pair.client.anchors()[0].own == pair.store.anchors()[0].peer


def test_it_is_offered_in_every_session() -> None:
    """Told each time, nothing else is sent again; and sent when the client can take it."""
    pair = limited(100)
    pair.sync()
    again = pair.sync()
    assert (200, AlertCode.TWO_WAY) == (again.status, again.databases[0].performed)
    assert (413, 1, 0) == (served(pair).status, served(pair).failed, served(pair).sent.total)
    pair.client_config = lambda config: config
    pair.sync()

    assert (200, 0, 1) == (served(pair).status, served(pair).failed, served(pair).sent.added)
    assert pair.equal()
    pair.sync()
    assert 0 == served(pair).sent.total


def test_item_that_grows() -> None:
    """The client keeps its smaller version, and what it then makes of that is a conflict."""
    pair = limited(100)
    pair.sync()
    pair.store.put("a", LARGE)
    pair.sync()
    assert b"small" in pair.client.items().values()
    (name,) = [name for name, data in pair.client.items().items() if data == b"small"]
    pair.client.put(name, b"edited")
    pair.sync()

    assert b"edited" == pair.store.items()["a"]
    assert [LARGE] == [loser.data for loser in pair.store.kept]


def test_over_several_messages() -> None:
    """Each is counted once, wherever a message ends."""
    pair = limited(100)
    pair.server.config = replace(pair.server.config, max_msg_size=1200)
    for number in range(20):
        pair.store.put(f"e{number}", b"e" * 90)
        pair.store.put(f"f{number}", LARGE)

    assert pair.sync().ok
    assert (21, 23) == (served(pair).failed, served(pair).sent.added)


def test_datastore_that_cannot_remember() -> None:
    """Then nothing is agreed, and the next session sends everything once more."""

    class Forgetful(MemoryServerDatastore):
        owe = None  # type: ignore[assignment]  # it does not have it

    pair = limited(100)
    pair.store = pair.server.datastores["db"] = Forgetful("db")
    pair.store.put("b", LARGE)
    pair.sync()

    assert () == tuple(pair.store.anchors())


def test_size_in_the_header() -> None:
    """Some clients tell it there, for all databases; 0 says nothing."""
    pair = limited(0)
    inner = pair.server.post

    def post(octets: bytes, mac: str | None = None) -> bytes:
        message = codec.decode(octets, codec.WBXML)
        meta = replace(message.header.meta or Meta(), max_obj_size=10)
        header = replace(message.header, meta=meta)
        return inner(codec.encode(replace(message, header=header), codec.WBXML), mac)

    pair.server.post = post  # type: ignore[method-assign]  # the wire between
    pair.sync()

    assert (413, 1) == (served(pair).status, served(pair).failed)


def test_object_that_the_server_cannot_take() -> None:
    """The same the other way: 413 is the result, the rest is agreed, it is tried each time."""
    pair = Pair()
    pair.client.put("a", b"small")
    pair.client.put("b", LARGE)
    pair.server.config = replace(pair.server.config, max_obj_size=100)
    results = [pair.sync().databases[0] for _ in range(2)]
    assert [(413, 1, 1), (413, 1, 0)] == [(e.status, e.failed, e.sent.total) for e in results]
    pair.server.config = ServerConfig(URL, codec.WBXML, "")
    last = pair.sync()

    assert (200, AlertCode.TWO_WAY) == (last.status, last.databases[0].performed)
    assert pair.equal()


def test_it_is_no_longer_there() -> None:
    """What was left out and deleted since is not spoken of any more."""
    pair = limited(100)
    pair.sync()
    pair.store.remove("b")
    pair.sync()

    assert (200, 0) == (served(pair).status, served(pair).failed)


@pytest.mark.parametrize("role", ["client", "server"])
def test_folder_remembers(role: str, tmp_path: Path) -> None:
    """A folder of files owes the item to this one peer, by ADD or by REPLACE, until a commit."""
    source = open_source(f"notes={tmp_path / 'n'}")
    (tmp_path / "n" / "a.txt").write_text("one")
    (tmp_path / "n" / "b.txt").write_text("two")
    peer, other = (
        source.client(name, Settings().stop)
        if role == "client"
        else source.server(name, Settings().rule, Settings().stop)
        for name in ("one", "other")
    )
    for each in (peer, other):
        assert [] == list(each.anchors())  # and sees what there is
        assert 2 == len(list(each.changes(None)))
        each.commit(Anchors("1", "1", each.token()))
    peer.owe(["b.txt", "gone.txt"])
    owed = [[e.identifier for e in each.changes(each.anchors()[0].token)] for each in (peer, other)]
    peer.commit(Anchors("2", "2", peer.token()))
    after = list(peer.changes(peer.anchors()[0].token))
    source.close()

    assert [["b.txt"], []] == owed
    assert [] == after


def test_two_folders(tmp_path: Path) -> None:
    """The stand-alone server and client: the server's limit is told to the person as 413."""
    sources = [open_source(f"notes={tmp_path / side}") for side in "cs"]
    (tmp_path / "c" / "large.txt").write_text("x" * 500)
    (tmp_path / "s" / "small.txt").write_text("x")
    server = SyncmlServer([sources[1]], Settings())

    class Line:
        def exchange(self, url: str, content_type: str, body: bytes) -> tuple[str, bytes]:
            reply = server.serve(body, content_type, url.partition("?")[2])
            message = codec.decode(reply.body, content_type)
            commands = tuple(
                replace(e, items=tuple(map(_small, e.items))) if isinstance(e, Alert) else e
                for e in message.commands
            )
            return reply.content_type, codec.encode(
                replace(message, commands=commands), content_type
            )

    results = [synchronize(Order(URL), [sources[0]], Line()) for _ in range(2)]
    for each in sources:
        each.close()

    assert [413, 413] == [each.status for each in results]
    assert AlertCode.TWO_WAY == results[1].databases[0].performed
    assert "x" == (tmp_path / "c" / "small.txt").read_text()
    assert not (tmp_path / "s" / "large.txt").exists()


def _small(item: Item) -> Item:
    known = isinstance(item.meta, Meta) and item.meta.max_obj_size
    return replace(item, meta=replace(item.meta, max_obj_size=100)) if known and item.meta else item


def test_contract() -> None:
    """Both stores of memory owe what they are told to, and no more."""
    for store in (MemoryClientDatastore("n"), MemoryServerDatastore("n")):
        store.put("a", b"1")
        store.put("b", b"2")
        store.commit(Anchors("1", "1", store.token()))
        store.owe(["b", "gone"])

        assert ["b"] == [e.identifier for e in store.changes(store.anchors()[0].token)]
