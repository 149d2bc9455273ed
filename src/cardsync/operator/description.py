"""What the operator says of itself and of its databases. Device Information 1.2."""

from collections.abc import Iterable

from cardsync.syncml import filters, record
from cardsync.syncml.devinf import ContentType, DataStore, DevInf, FilterCap, SyncType

_KIND = ContentType(record.CONTENT_TYPE, record.CONTENT_VERSION)
_PROPERTIES = tuple(each.name for each in record.ctcap().properties)
"""What filters may ask of a record; all of them are fields, too (CTCap, FieldLevel)."""


def describe(ours: str, version: str, databases: Iterable[str]) -> DevInf:
    """Describe ourselves, at the address that the peer has for us, in the manner of a version."""
    return DevInf(
        version=version,
        device_id=ours,
        device_type="server",
        datastores=tuple(map(_datastore, databases)),
        manufacturer="cardsync",
        utc=True,
        large_objects=True,
    )


def _datastore(name: str) -> DataStore:
    return DataStore(
        source_ref=f"./{name}",
        rx_pref=_KIND,
        tx_pref=_KIND,
        sync_types=tuple([SyncType(number) for number in range(1, 7)]),
        ct_caps=(record.ctcap(),),
        filters=(filters.CGI,),
        filter_caps=(FilterCap(_KIND, properties=_PROPERTIES),),
    )
