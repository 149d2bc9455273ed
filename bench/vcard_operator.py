"""`python -m bench.vcard_operator ARGUMENT ...`: an operator for `bench.peers`.

The database of a device is one of vCards, as SyncEvolution has them, in the place of records; the
operator's store keeps what is no record as it is. All else is the operator as it stands.
"""

import functools
import sys
from collections.abc import Iterable
from dataclasses import replace
from unittest import mock

from cardsync.cli import main
from cardsync.operator.description import describe
from cardsync.operator.store.datastore import PostgresDatastore
from cardsync.syncml.devinf import ContentType, DevInf

_KIND = ContentType("text/vcard", "3.0")
_MODULE = "cardsync.operator.synchronization"


def _of_cards(ours: str, version: str, databases: Iterable[str]) -> DevInf:
    """Describe the operator, with vCards."""
    info = describe(ours, version, databases)
    bare = [replace(each, ct_caps=(), filter_caps=()) for each in info.datastores]
    stores = [replace(each, rx_pref=_KIND, tx_pref=_KIND) for each in bare]
    return replace(info, datastores=tuple(stores))


_Cards = functools.partial(
    PostgresDatastore, content_type=_KIND.type, content_version=_KIND.version
)

if __name__ == "__main__":
    with (
        mock.patch(f"{_MODULE}.PostgresDatastore", _Cards),
        mock.patch(f"{_MODULE}.describe", _of_cards),
    ):
        sys.argv[0] = "cardsync"
        main()
