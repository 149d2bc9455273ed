"""How items and databases are named on the wire, by either role. OMA DS Protocol 1.2, "Mapping".

The client's name (LUID) is the one that both use; only what the server adds travels under the
server's name (GUID).
"""

from cardsync.syncml.datastore import Change, ChangeKind
from cardsync.syncml.elements import Item, Location


def client_item(change: Change) -> Item:
    """Name an item of the client by its own name, which the server knows it by."""
    return Item(source=Location(change.identifier))


def client_change(kind: ChangeKind, item: Item) -> Change | None:
    """Read the client's name of an item, which is its Source."""
    return Change(kind, "", peer=item.source.uri) if item.source else None


def server_item(change: Change) -> Item:
    """Name an item to the client: what it has by its own name, what we add by ours."""
    if change.kind is ChangeKind.ADD:
        return Item(source=Location(change.identifier))
    return Item(target=Location(change.peer or change.identifier))


def server_change(kind: ChangeKind, item: Item) -> Change | None:
    """Read the names of an item: what the server adds has its name, all else has ours.

    Some servers replace what is new, too: what is not there is added. RepPro 1.2, Replace.
    """
    if kind is ChangeKind.ADD or (kind is ChangeKind.REPLACE and item.target is None):
        return Change(ChangeKind.ADD, "", peer=item.source.uri) if item.source else None
    return Change(kind, item.target.uri) if item.target else None


def plain(name: str) -> str:
    """Give the name of a database, which peers write as "db", "./db", "/db" or "db/"."""
    return name.strip().removeprefix("./").strip("/")
