"""Folders in the place of the datastores in memory: a pair of halves over files."""

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from cardsync.syncml.datastore import Change, Rule
from cardsync.syncml.memory import MemoryClientDatastore, MemoryServerDatastore
from cardsync.terminal.databases.index import Index
from cardsync.terminal.databases.indexed import IndexedClient, SafetyStop
from cardsync.terminal.databases.indexed_server import IndexedServer
from cardsync.terminal.databases.vdir import Folder
from syncml.pair import Pair

OPEN = SafetyStop(allows_slow=True, allows_emptying=True)
MEMORY = Path("/dev/shm")
"""A file system that writes to no disk, where there is one."""


class _Owned:
    """What the owner of a folder does."""

    root: Path

    def put(self, identifier: str, data: bytes) -> None:
        """Write a file as people do, in place."""
        (self.root / identifier).write_bytes(data)

    def remove(self, identifier: str) -> None:
        """Remove a file."""
        (self.root / identifier).unlink()

    def items(self) -> dict[str, bytes]:
        """Give every file."""
        return {p.name: p.read_bytes() for p in self.root.iterdir() if p.name[0] != "."}


class FolderClient(_Owned, IndexedClient):
    """A folder of a client."""

    def __init__(self, root: Path, kind: str) -> None:
        self.root = root
        super().__init__(Index(root / ".memory", Folder(root, kind)), "db", "server", OPEN)


class FolderServer(_Owned, IndexedServer):
    """A folder of a server; `kept` as the datastore in memory has it."""

    def __init__(self, root: Path, kind: str, rule: Rule = Rule.CLIENT_WINS) -> None:
        self.root = root
        self.kept: list[Change] = []
        super().__init__(Index(root / ".memory", Folder(root, kind)), "db", "device", OPEN, rule)

    def keep(self, losers: Sequence[Change]) -> None:
        """Keep them in a list too."""
        self.kept.extend(losers)
        super().keep(losers)

    def lost(self) -> set[bytes]:
        """Give the files in which lost versions are kept."""
        return {path.read_bytes() for path in (self.root / ".memory" / "lost").iterdir()}


class FolderPair(Pair):
    """A pair over folders below a folder of its own; `close` removes them."""

    def __init__(self, kind: str = "text/plain") -> None:
        self.home = Path(tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None))
        for side in ("c", "s"):
            (self.home / side).mkdir()
        self.mine, self.theirs = (
            FolderClient(self.home / "c", kind),
            FolderServer(self.home / "s", kind),
        )
        client = cast("MemoryClientDatastore", self.mine)  # a session does not see the difference
        super().__init__(client=client, store=cast("MemoryServerDatastore", self.theirs))

    def close(self) -> None:
        """Remove the folders."""
        self.mine._index.close()
        self.theirs._index.close()
        shutil.rmtree(self.home)

    def names(self) -> dict[str, str | None]:
        """Give the server's map: its names to the client's."""
        index = self.theirs._index
        index.scan()
        return dict(
            index.connection.execute(
                """SELECT items.name, p.name FROM items LEFT JOIN peer_items AS p USING (item)
                   WHERE NOT deleted"""
            ).fetchall()
        )
