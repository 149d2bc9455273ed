"""`python -m bench.vcard_operator ARGUMENT ...`: an operator for `bench.peers`.

The database of a device is one of vCards, as SyncEvolution has them, in the place of records; the
operator's store keeps what is no record as it is. All else is the operator as it stands.
"""

import functools
import sys
from dataclasses import replace
from unittest import mock

from cardsync.cli import main
from cardsync.operator import synchronization
from cardsync.operator.store.datastore import PostgresDatastore
from cardsync.syncml.devinf import ContentType, DevInf

_KIND = ContentType("text/vcard", "3.0")
_MODULE = "cardsync.operator.synchronization"
_of_records = synchronization._devinf  # noqa: SLF001 - what it says of the database is replaced


def _of_cards(ours: str, version: str) -> DevInf:
    """Describe the operator, with vCards."""
    info = _of_records(ours, version)
    stores = [replace(each, rx_pref=_KIND, tx_pref=_KIND, ct_caps=()) for each in info.datastores]
    return replace(info, datastores=tuple(stores))


_Cards = functools.partial(
    PostgresDatastore, content_type=_KIND.type, content_version=_KIND.version
)

if __name__ == "__main__":
    with (
        mock.patch(f"{_MODULE}.PostgresDatastore", _Cards),
        mock.patch(f"{_MODULE}._devinf", _of_cards),
    ):
        sys.argv[0] = "cardsync"
        main()
