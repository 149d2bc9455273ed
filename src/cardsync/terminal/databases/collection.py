"""What a database of somebody else's must offer to be synchronized: named items of octets.

`vdir.Folder` and `table.Table` are such collections. They remember nothing of peers and changes:
`index.Index` notices what changed by the stamps of the items.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Protocol


class Collection(Protocol):
    """Items by name. Names are those that a peer sees."""

    content_type: str
    """The media type of all items, or `datastore.ANY_TYPE`."""

    content_version: str

    def identity(self) -> str:
        """Tell this collection from another one that later lies at the same place."""

    def batch(self) -> AbstractContextManager[object]:
        """Do all writing that is within, or nothing if an exception leaves it; may be nested."""

    def stamps(self) -> Mapping[str, str]:
        """Give a stamp for each item; equal stamps mean equal content, "" means nothing."""

    def read(self, name: str) -> bytes | None:
        """Give the content of an item; None if there is none of this name."""

    def write(self, name: str, data: bytes) -> str:
        """Replace an item, or add it under this name; give its stamp.

        Raises `PeerError`, answer 415 or 420, for what cannot be an item or has no place.
        """

    def name(self, wanted: str, data: bytes) -> str:
        """Give a free name for a new item, as near to the wanted one as may be."""

    def remove(self, name: str) -> None:
        """Delete an item; nothing happens if it is not there."""

    def type_of(self, data: bytes) -> str | None:
        """Give the media type of one item, where the collection has items of any type."""

    def likeness(self, data: bytes) -> bytes:
        """Give what two versions of one item have in common: equal where it is the same item."""

    def merge(self, ours: bytes, theirs: bytes) -> bytes | None:
        """Merge two versions field by field; None where both have another value in one."""
