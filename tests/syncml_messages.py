"""SyncML messages for tests: one of every kind, and hypothesis strategies for all of them."""

from dataclasses import replace

from hypothesis import strategies as st

from cardsync.syncml.devinf import (
    ContentType,
    CtCap,
    DataStore,
    DevInf,
    DsMem,
    Ext,
    FilterCap,
    Property,
    PropParam,
)
from cardsync.syncml.elements import (
    Add,
    Alert,
    Anchor,
    Atomic,
    Chal,
    Command,
    Copy,
    Cred,
    Delete,
    Exec,
    Filter,
    Get,
    Item,
    Location,
    Map,
    MapItem,
    Mem,
    Message,
    Meta,
    Move,
    Put,
    Replace,
    Results,
    Search,
    Sequence,
    Status,
    Sync,
    SyncHdr,
    Version,
)

DEVICE_TYPE = "application/vnd.syncml-devinf+wbxml"
CARD = "FN:Åse & Bo <b@example.org>".encode()


def device(version: str) -> DevInf:
    """Give a device with everything that this version of the device information knows."""
    kind = ContentType("text/x-vcard", "2.1")
    prop = Property(
        "TEL",
        data_type="chr",
        max_size=40,
        values=("CELL", "HOME"),
        display_name="Phone",
        params=(PropParam("TYPE", "chr", ("WORK",), "Kind"),),
    )
    cap = CtCap(ContentType("text/x-vcard", ""), (prop, Property("FN")))
    if version == "1.2":
        cap = CtCap(kind, (replace(prop, max_occur=3, no_truncate=True), Property("FN")), True)
    store = DataStore(
        source_ref="contacts",
        rx_pref=kind,
        tx_pref=kind,
        sync_types=(1, 2, 7),
        rx=(ContentType("text/vcard", "3.0"),),
        tx=(ContentType("text/vcard", "3.0"), ContentType("text/plain", "1.0")),
        display_name="Contacts",
        max_guid_size=64,
        mem=DsMem(max_mem=1 << 40, max_id=5000, shared=True),
        hierarchical=version == "1.2",
        ct_caps=(cap,) if version == "1.2" else (),
        filters=(ContentType("syncml:filtertype-cgi", "1.0"),) if version == "1.2" else (),
        filter_caps=(FilterCap(kind, ("SINCE",), ("N", "TEL")),) if version == "1.2" else (),
    )
    return DevInf(
        version=version,
        device_id="IMEI:490154203237518",
        device_type="phone",
        datastores=(store, replace(store, source_ref="notes", mem=None)),
        manufacturer="Example",
        model="One",
        oem="-",
        firmware="1",
        software="2",
        hardware="3",
        utc=True,
        large_objects=version != "1.0",
        number_of_changes=version != "1.0",
        ct_caps=() if version == "1.2" else (cap,),
        ext=(Ext("X-One", ("a", "b")), Ext("X-None")),
    )


def header(version: Version) -> SyncHdr:
    """Give a header with everything that a header can have."""
    return SyncHdr(
        session_id="17",
        msg_id=2,
        target=Location("http://www.example.org/sync"),
        source=Location("IMEI:490154203237518", "user"),
        version=version,
        resp_uri="http://www.example.org/sync?sessionid=1",
        no_resp=True,
        cred=Cred(b"dXNlcjpwYXNz", Meta(format="b64", type="syncml:auth-basic")),
        meta=Meta(max_msg_size=10000, max_obj_size=None if version is Version.V1_0 else 4000000),
    )


def _statuses() -> tuple[Command, ...]:
    nonce = Meta(format="b64", type="syncml:auth-md5", next_nonce="Tm9uY2U=")
    anchor = Meta(anchor=Anchor("20261122T221327Z"))
    return (
        Status(1, 1, 0, "SyncHdr", 401, ("http://www.example.org/",), ("me", "us"), Chal(nonce)),
        Status(2, 1, 1, "Alert", 200, items=(Item(data=anchor),)),
        Status(3, 1, 2, "Add", 201, source_refs=("1", "2", "3"), items=(Item(data=b"text"),)),
    )


def _requests(version: Version) -> tuple[Command, ...]:
    """Give requests; filters and correlators are of 1.2."""
    name = Location("./devinf" + version.dtd.replace(".", ""))
    newest = version is Version.V1_2
    meta = Meta(type=DEVICE_TYPE)
    info = Item(source=name, data=device(version.dtd))
    last = Meta(anchor=Anchor("2", "1"), max_obj_size=None if version is Version.V1_0 else 100)
    query = Item(meta=Meta(type="syncml:filtertype-cgi"), data=b"FN&iCON;Bo")
    asked = Filter(Meta(type="text/x-vcard"), record=query, type="INCLUSIVE")
    addressed = Location("./contacts", filter=asked if newest else None)
    return (
        Put(4, (info,), meta, lang="en"),
        Get(5, (Item(target=name),), meta),
        Results(6, 3, (info,), 1, meta, "./a", "./b"),
        Alert(7, 201, (Item(addressed, Location("./items"), last),)),
        Alert(
            8,
            222,
            (Item(Location("a"), Location("b")),),
            no_resp=True,
            correlator="c" if newest else None,
        ),
        Alert(9),
    )


def _changes(version: Version) -> tuple[Command, ...]:
    """Give changes; large objects are of 1.1, folders, moves and fields of 1.2."""
    newest = version is Version.V1_2
    text = Meta(type="text/x-vcard")
    whole = Item(source=Location("7"), data=CARD)
    more = version is not Version.V1_0
    chunk = Item(source=Location("8"), meta=Meta(size=70000), data=b"BEGIN", more_data=more)
    folder = Item(source=Location("9"), data=b"")
    if newest:
        folder = replace(folder, source_parent="1", target_parent="2")
    marks = Meta(
        type="text/plain",
        mark="read",
        version="1.0",
        emi=("datapos=0", "x"),
        mem=Mem(5000, 20, True),
        field_level=newest,
    )
    moved = Move(15, (Item(source=Location("b"), target_parent="/x"),))
    return (
        Add(11, (whole, chunk), text),
        Replace(12, (folder,), marks, cred=Cred(b"\x00\xff\x10", Meta(type="syncml:auth-md5"))),
        Delete(13, (Item(target=Location("3")),), archive=True, soft=True, no_resp=True),
        Copy(14, (Item(Location("a"), Location("b")),)),
        *((moved,) if newest else ()),
        Sequence(16, (Add(17, (whole,), text), Atomic(18, (Delete(19, (whole,)),), text)), text),
    )


def everything(version: Version) -> Message:
    """Give a message in which every command and every element of the version stands."""
    correlator = "y" if version is Version.V1_2 else None
    commands: tuple[Command, ...] = (
        *_statuses(),
        *_requests(version),
        Sync(
            10, Location("./contacts"), Location("./items"), Meta(mem=Mem(1, 2)),
            None if version is Version.V1_0 else 7, _changes(version),
        ),
        Sync(20, no_resp=True),
        Map(21, Location("./a"), Location("./b"), (MapItem("100", "1"), MapItem("101", "2"))),
        Exec(22, (Item(target=Location("./x")),), correlator=correlator),
        Search(
            23, (Location("./a"), Location("./b")), b"FN&iCON;Bo", Location("./c"), Meta(type="q"),
            no_results=True, lang="en",
        ),
    )  # fmt: skip
    return Message(header(version), commands, final=True)


WRITABLE = st.characters(exclude_categories=["Cs"])
"""Characters that WBXML can carry."""

PRINTABLE = st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff")
"""Characters that XML can carry too."""

_NUMBERS = st.integers(0, 2**64 - 1)
_IDS = st.integers(0, 2**31)


def _optional(strategy: st.SearchStrategy[str]) -> st.SearchStrategy[str | None]:
    return st.none() | strategy


class Strategies:
    """Strategies for all elements, their texts of one kind of character, their data given."""

    def __init__(
        self, characters: st.SearchStrategy[str], octets: st.SearchStrategy[bytes]
    ) -> None:
        self.text = st.text(characters, max_size=12)
        self.octets = octets
        numbers = st.none() | _NUMBERS
        self.meta = st.builds(
            Meta,
            format=_optional(self.text),
            type=_optional(self.text),
            mark=_optional(self.text),
            size=numbers,
            anchor=st.none() | st.builds(Anchor, self.text, _optional(self.text)),
            version=_optional(self.text),
            next_nonce=_optional(self.text),
            max_msg_size=numbers,
            max_obj_size=numbers,
            mem=st.none() | st.builds(Mem, _NUMBERS, _NUMBERS, st.booleans()),
            emi=st.lists(self.text, max_size=2).map(tuple),
            field_level=st.booleans(),
        )
        self.place = st.builds(Location, self.text, _optional(self.text))
        self.cred = st.none() | st.builds(Cred, octets, st.none() | self.meta)
        self.data = st.none() | octets | self.meta.filter(lambda meta: meta != Meta())
        self.item = st.builds(
            Item,
            st.none() | self.place,
            st.none() | self.place,
            st.none() | self.meta,
            self.data,
            st.booleans(),
            _optional(self.text),
            _optional(self.text),
        )
        self.items = st.lists(self.item, min_size=1, max_size=3).map(tuple)

    def commands(self) -> st.SearchStrategy[Command]:
        """Give commands, those that hold commands too."""
        status = st.builds(
            Status,
            _IDS,
            _IDS,
            _IDS,
            self.text,
            st.integers(100, 599),
            st.lists(self.text, max_size=2).map(tuple),
            st.lists(self.text, max_size=2).map(tuple),
            st.none() | st.builds(Chal, self.meta),
            self.cred,
            self.items,
        )
        pairs = st.lists(st.builds(MapItem, self.text, self.text), max_size=2).map(tuple)
        plain = st.one_of(
            status,
            st.builds(Map, _IDS, self.place, self.place, pairs, st.none() | self.meta, self.cred),
            st.builds(Alert, _IDS, _IDS, self.items, st.booleans(), self.cred, self.text),
            *[
                st.builds(kind, _IDS, self.items, st.none() | self.meta, st.booleans(), self.cred)
                for kind in (Add, Replace, Delete, Copy, Move, Get, Exec)
            ],
        )
        held = st.lists(plain, max_size=3).map(tuple)
        place = st.none() | self.place
        number = st.none() | _NUMBERS
        return plain | st.one_of(
            st.builds(Sync, _IDS, place, place, st.none() | self.meta, number, held),
            st.builds(Atomic, _IDS, held, st.none() | self.meta, st.booleans()),
            st.builds(Sequence, _IDS, held, st.none() | self.meta, st.booleans()),
        )

    def messages(self) -> st.SearchStrategy[Message]:
        """Give whole messages."""
        head = st.builds(
            SyncHdr,
            self.text,
            _IDS,
            self.place,
            self.place,
            st.sampled_from(Version),
            _optional(self.text),
            st.booleans(),
            self.cred,
            st.none() | self.meta,
        )
        commands = st.lists(self.commands(), max_size=3).map(tuple)
        return st.builds(Message, head, commands, st.booleans())
