"""What a tree must say to be a message. SyncML Representation Protocol 1.2 clause 6."""

import pytest

from cardsync.syncml import tree, xml
from cardsync.syncml.elements import Alert, Location, Message, SyncHdr, Unread, Version

HEADER = {
    "VerDTD": "1.2",
    "VerProto": "SyncML/1.2",
    "SessionID": "1",
    "MsgID": "2",
    "Target": "<LocURI>a</LocURI>",
    "Source": "<LocURI>b</LocURI>",
}


def _document(body: str, **header: str) -> bytes:
    """Give a document; a part of the header may be another or, if it is empty, not be there."""
    parts = "".join(
        f"<{name}>{says}</{name}>" for name, says in {**HEADER, **header}.items() if says
    )
    return f"<SyncML><SyncHdr>{parts}</SyncHdr><SyncBody>{body}</SyncBody></SyncML>".encode()


def _refusal(octets: bytes) -> tree.MalformedMessage:
    with pytest.raises(tree.MalformedMessage) as caught:
        xml.decode(octets)
    return caught.value


def _unread(octets: bytes) -> Unread:
    (command,) = xml.decode(octets).commands
    assert isinstance(command, Unread)
    return command


@pytest.mark.parametrize("name", ["SessionID", "MsgID", "Target", "Source"])
def test_header_is_whole(name: str) -> None:
    """Each part must be there; without it nobody knows whom to answer."""
    refusal = _refusal(_document("", **{name: ""}))

    assert tree.BAD_FORMAT == refusal.answer
    assert name in str(refusal)


@pytest.mark.parametrize(
    ("dtd", "protocol", "answer", "where"),
    [
        ("1.3", "SyncML/1.3", 505, "VerDTD"),
        ("1.2", "DM/1.2", 513, "VerProto"),
        ("", "SyncML/2.0", 513, "VerProto"),
        ("2.0", "", 505, "VerDTD"),
    ],
)
def test_versions_not_supported(dtd: str, protocol: str, answer: int, where: str) -> None:
    """Status 505 and 513 are owed, and the header tells to whom. Clause 10."""
    refusal = _refusal(_document("", VerDTD=dtd, VerProto=protocol))

    assert answer == refusal.answer
    assert ("SyncML", "SyncHdr", where) == refusal.path
    assert refusal.header is not None
    assert (Location("b"), "1", 2) == (
        refusal.header.source, refusal.header.session_id, refusal.header.msg_id,
    )  # fmt: skip


@pytest.mark.parametrize("version", Version)
def test_versions(version: Version) -> None:
    """1.0, 1.1 and 1.2 are read alike."""
    octets = _document("", VerDTD=version.dtd, VerProto=version.proto)

    assert Message(SyncHdr("1", 2, Location("a"), Location("b"), version)) == xml.decode(octets)


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ("<Add><Item/></Add>", "Add"),
        ("<Add><CmdID>x</CmdID><Item/></Add>", "Add/CmdID"),
        ("<Add><CmdID>-1</CmdID><Item/></Add>", "Add/CmdID"),
        ("<Add><CmdID>\u0661</CmdID><Item/></Add>", "Add/CmdID"),
        ("<Add><CmdID>18446744073709551616</CmdID><Item/></Add>", "Add/CmdID"),
    ],
)
def test_commands_have_numbers(body: str, path: str) -> None:
    """What has none cannot be answered; the message is refused, with the header for the status."""
    refusal = _refusal(_document(body))

    assert ("SyncML", "SyncBody", *path.split("/")) == refusal.path
    assert tree.BAD_FORMAT == refusal.answer
    assert refusal.header is not None


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ("<Add><CmdID>1</CmdID></Add>", "Add"),
        ("<Add><CmdID>1</CmdID><CmdID>1</CmdID><Item/></Add>", "Add/CmdID"),
        ("<Get><CmdID>1</CmdID></Get>", "Get"),
        ("<Put><CmdID>1</CmdID></Put>", "Put"),
        ("<Alert><CmdID>1</CmdID><Data>slow</Data></Alert>", "Alert/Data"),
        ("<Alert><CmdID>1</CmdID><Item><Target/></Item></Alert>", "Alert/Item/Target"),
        ("<Map><CmdID>1</CmdID><Target><LocURI/></Target></Map>", "Map"),
        ("<Sync><CmdID>1</CmdID><Sync/></Sync>", "Sync/Sync"),
        (
            "<Alert><CmdID>1</CmdID><Item><Meta><Anchor><Last/></Anchor></Meta></Item></Alert>",
            "Alert/Item/Meta/Anchor",
        ),
        ("<Alert><CmdID>1</CmdID><Cred><Meta/></Cred></Alert>", "Alert/Cred"),
    ],
)
def test_commands_are_whole(body: str, path: str) -> None:
    """What is missing, doubled or no number costs this command: 400, with where it is."""
    name = path.partition("/")[0]
    unread = _unread(_document(body))

    assert (1, name, tree.BAD_FORMAT, False) == (
        unread.cmd_id, unread.name, unread.code, unread.no_resp,
    )  # fmt: skip
    assert f" in {path} at offset " in unread.reason


def test_status_that_says_nothing() -> None:
    """It is never answered, not even where it has no number."""
    unread = _unread(_document("<Status><MsgRef>1</MsgRef></Status>"))

    assert ("Status", True) == (unread.name, unread.no_resp)


def test_filter_of_one_item() -> None:
    """A filter asks one question. Clause 6.1.11."""
    asked = "<Target><LocURI/><Filter><Field><Item/>%s</Field></Filter></Target>"
    body = f"<Sync><CmdID>1</CmdID>{asked}</Sync>"
    unread = _unread(_document(body % "<Item/>"))

    assert "more than one Item in Sync/Target/Filter/Field" in unread.reason
    assert xml.decode(_document(body % "")).commands


def test_place_of_an_error() -> None:
    """The path and the offset say where; the content is not repeated, it may be a secret."""
    octets = _document("<Alert><CmdID>hunter2</CmdID></Alert>")
    refusal = _refusal(octets)

    assert octets.index(b"<CmdID>") == refusal.offset
    assert f"not a number in SyncML/SyncBody/Alert/CmdID at offset {refusal.offset}" == str(refusal)


def test_order_does_not_matter() -> None:
    """Elements may come in any order, and Final anywhere in the body."""
    message = xml.decode(_document("<Final/><Alert><Data>200</Data><CmdID>1</CmdID></Alert>"))

    assert ((Alert(1, 200),), True) == (message.commands, message.final)
