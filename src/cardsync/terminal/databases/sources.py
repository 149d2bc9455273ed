"""A database by what a person writes: DATABASE=FOLDER or DATABASE=FILE.sqlite#TABLE.

What is remembered of it lies beside it in the hidden folder ".NAME.cardsync": anchors, what
changed, and under `lost` the versions that lost a conflict.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from cardsync.errors import ConfigError
from cardsync.syncml.datastore import ANY_TYPE, Rule
from cardsync.terminal.databases.holding import hold
from cardsync.terminal.databases.index import Index
from cardsync.terminal.databases.indexed import IndexedClient, SafetyStop
from cardsync.terminal.databases.indexed_server import IndexedServer
from cardsync.terminal.databases.table import Table
from cardsync.terminal.databases.vdir import Folder

CLOSED = SafetyStop()


@dataclass(frozen=True, slots=True)
class Source:
    """An open database: `name` is what peers call it; `held` keeps other processes away."""

    name: str
    index: Index
    held: TextIO | None = None

    def client(self, peer: str, stop: SafetyStop = CLOSED) -> IndexedClient:
        """Give it in the role of the client of one server database."""
        return IndexedClient(self.index, self.name, peer, stop)

    def server(
        self, peer: str, rule: Rule = Rule.CLIENT_WINS, stop: SafetyStop = CLOSED
    ) -> IndexedServer:
        """Give it in the role of the server of one device."""
        return IndexedServer(self.index, self.name, peer, stop, rule)

    def close(self) -> None:
        """Close what is open."""
        self.index.close()
        if isinstance(self.index.collection, Table):
            self.index.collection.close()
        if self.held is not None:
            self.held.close()


def open_sources(texts: Sequence[str], content_type: str, doing: str) -> list[Source]:
    """Open all that a person named, each by a name of its own. Raises `ConfigError`."""
    names = [text.partition("=")[0].removeprefix("./") for text in texts]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"{name}: two databases have this name; each needs its own")
    return [open_source(text, content_type, doing) for text in texts]


def open_source(text: str, content_type: str = ANY_TYPE, doing: str = "") -> Source:
    """Open what a person named. Raises `ConfigError`.

    `doing` is what this process does with it, such as "is served", if no other one may meanwhile.
    """
    name, equals, place = text.partition("=")
    name = name.removeprefix("./")
    if not equals or not name or not place:
        raise ConfigError(
            f"{text}: DATABASE=FOLDER or DATABASE=FILE.sqlite#TABLE is expected, "
            "such as notes=./my-notes"
        )
    file, hash_sign, table = place.rpartition("#")
    if hash_sign and file and table and not Path(place).is_dir():
        path = Path(file).absolute()
        beside = path.with_name(f".{path.name}.{table.replace('/', '_')}.cardsync")
        held = hold(beside, text, doing) if doing else None
        return Source(name, Index(beside, Table(path, table, content_type)), held)
    path = Path(place).absolute()
    beside = path.with_name(f".{path.name}.cardsync")
    held = hold(beside, text, doing) if doing else None
    return Source(name, Index(beside, Folder(path, content_type)), held)
