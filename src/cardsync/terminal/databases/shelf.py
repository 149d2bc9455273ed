"""Databases of a terminal by the identifiers of table 8.6, but for its own of the device.

docs/request-synchronization.md clause 8.4: files of the card by their path, whatever lies in the
terminal by its URI or by the AID of the application whose data they are.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from cardsync.errors import ConfigError
from cardsync.syncml.datastore import ClientDatastore
from cardsync.terminal.databases.card_file import CURRENT_ADF, CardFile, Exchange
from cardsync.terminal.databases.index import Index
from cardsync.terminal.databases.sources import Source
from cardsync.toolkit.synchronization_objects import DatabaseIdType, SourceDatabase

_MF = bytes.fromhex("3F00")
_DEEPEST = 12  # octets of a path: MF, application, four more


class Shelf:
    """What is there; `home` is where the memory of card files lies.

    `own` opens databases of the terminal by URI, or by AID in capital hexadecimal digits.
    """

    def __init__(
        self,
        home: Path,
        exchange: Exchange | None = None,
        own: Mapping[str, Callable[[], Source]] | None = None,
    ) -> None:
        self._home = home
        self._exchange = exchange
        self._own = own or {}

    def has(self, source: SourceDatabase, *, in_card: bool) -> bool:
        """Say whether such a database can be; what a card file holds is seen when it is opened."""
        if in_card:
            return self._exchange is not None and _is_path(source)
        return _name(source) in self._own

    @contextmanager
    def open(
        self, source: SourceDatabase, card: str, peer: str, *, in_card: bool
    ) -> Iterator[ClientDatastore]:
        """Open one for a peer while it is used; raise `ConfigError` if it cannot be read."""
        found = self._file(source.database, card) if in_card else self._own[_name(source)]()
        try:
            yield found.client(peer)
        finally:
            found.close()

    def _file(self, path: bytes, card: str) -> Source:
        if self._exchange is None:
            raise ConfigError("there is no way to the card")
        name = path.hex().upper()
        collection = CardFile(self._exchange, card, path)
        return Source(name, Index(self._home / f".{card}.{name}.cardsync", collection))


def _is_path(source: SourceDatabase) -> bool:
    path, is_file = source.database, source.database_type == DatabaseIdType.UICC_FILE
    fits = 4 <= len(path) <= _DEEPEST and not len(path) % 2
    return is_file and fits and path[:2] in {_MF, CURRENT_ADF}


def _name(source: SourceDatabase) -> str:
    """Give the name of a database of the terminal, empty for one that has none."""
    if source.database_type == DatabaseIdType.AID:
        return source.database.hex().upper()
    if source.database_type != DatabaseIdType.URI:
        return ""
    return source.database.decode("utf-8", "replace").removeprefix("./")
