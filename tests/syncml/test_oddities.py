"""What is odd in a message costs nothing, or the command in which it is; never the message.

Each row of a table is a manner of some peer, or one that the standard permits.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from cardsync.cli.syncml_report import complaints
from cardsync.fleet.syncml_server import Settings, SyncmlServer
from cardsync.syncml import codec, xml
from cardsync.syncml.elements import Status, Unread
from cardsync.syncml.events import Event
from cardsync.terminal.databases.sources import open_source

HEAD = {
    "VerDTD": "<VerDTD>1.1</VerDTD>",
    "VerProto": "<VerProto>SyncML/1.1</VerProto>",
    "SessionID": "<SessionID>1</SessionID>",
    "MsgID": "<MsgID>{message}</MsgID>",
    "Target": "<Target><LocURI>http://a.example/syncml</LocURI></Target>",
    "Source": "<Source><LocURI>IMEI:1</LocURI></Source>",
}
ALERT = (
    "<Alert><CmdID>1</CmdID><Data>203</Data><Item><Target><LocURI>notes</LocURI></Target>"
    "<Source><LocURI>mine</LocURI></Source><Meta><Anchor xmlns='syncml:metinf'><Next>1</Next>"
    "</Anchor></Meta></Item></Alert>"
)
ITEM = "<Item><Source><LocURI>7</LocURI></Source><Data>seven</Data></Item>"
ADD = f"<Add><CmdID>3</CmdID>{ITEM}</Add>"
NAMED = "<Target><LocURI>notes</LocURI></Target><Source><LocURI>mine</LocURI></Source>"


def sync(*commands: str, before: str = "") -> str:
    """Give a Sync."""
    return f"<Sync><CmdID>2</CmdID>{NAMED}{before}{''.join(commands)}</Sync>"


class Phone:
    """A device that writes XML as it likes; `told` is what the server said to who runs it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.source = open_source(f"notes={folder}")
        self.events: list[Event] = []
        self.server = SyncmlServer([self.source], Settings(), self._heard)
        self.message = 0

    def _heard(self, _device: str, events: Sequence[Event]) -> None:
        self.events += events

    def post(self, octets: bytes, kind: str = codec.XML) -> list[tuple[str, int]]:
        """Post a document; give the statuses."""
        reply = self.server.serve(octets, kind)
        assert 200 == reply.status, reply.body
        told = codec.decode(reply.body, codec.XML)
        return [(e.cmd, e.code) for e in told.commands if isinstance(e, Status)]

    def say(self, body: str, **header: str) -> list[tuple[str, int]]:
        """Send a message with a body, and some parts of the header in another manner."""
        return self.post(self.document(body, **header).encode())

    def document(self, body: str, **header: str) -> str:
        """Write a message."""
        self.message += 1
        head = "".join({**HEAD, **header}.values()).format(message=self.message)
        return f"<SyncML><SyncHdr>{head}</SyncHdr><SyncBody>{body}<Final/></SyncBody></SyncML>"

    def items(self) -> list[str]:
        """Give what the folder holds."""
        return sorted(path.read_text() for path in self.folder.iterdir())

    @property
    def told(self) -> list[str]:
        """Give what the person who runs the server reads."""
        return list(complaints("IMEI:1", self.events))


@pytest.fixture
def phone(tmp_path: Path) -> Iterator[Phone]:
    """Give a phone and a server with an empty folder."""
    made = Phone(tmp_path / "n")
    yield made
    made.source.close()


FINE = [("SyncHdr", 200), ("Sync", 200), ("Add", 201)]


@pytest.mark.parametrize(
    ("part", "written"),
    [
        ("VerDTD", ""),
        ("VerProto", ""),
        ("VerProto", "<VerProto>syncml/1.1 </VerProto>"),
        ("VerDTD", "<VerDTD>1.0</VerDTD>"),
        ("VerDTD", "<VerDTD>\n1.1\n</VerDTD>"),
        ("MsgID", "<MsgID> 00{message}\n</MsgID>"),
        ("SessionID", "<SessionID>session one</SessionID>"),
        ("SessionID", f"<SessionID>{'9' * 300}</SessionID>"),
        ("Target", "<Target><LocName>the server</LocName></Target>"),
        ("Target", "<Target><LocURI/></Target>"),
        ("Source", "<Source><LocName>IMEI:1</LocName></Source>"),
        ("Cred", "<Cred><Meta><Type>x</Type></Meta></Cred>"),
        ("Cred", "<Cred><Meta><Type>urn:odd</Type></Meta><Data>x</Data></Cred>"),
        ("Cred", "<Cred/>"),
        ("Meta", "<Meta><MaxMsgSize xmlns='syncml:metinf'>64K</MaxMsgSize></Meta>"),
        ("Meta", "<Meta><MaxMsgSize/><MaxObjSize/><EMI>x</EMI><EMI/><New>1</New></Meta>"),
        ("Meta", "<Meta/>"),
        ("New", "<New><SessionID>9</SessionID></New>"),
        ("RespURI", "<RespURI/>"),
    ],
)
def test_headers(phone: Phone, part: str, written: str) -> None:
    """The session goes on, and the item arrives."""
    phone.say(ALERT, **{part: written})

    assert FINE == phone.say(sync(ADD), **{part: written})
    assert ["seven"] == phone.items()


@pytest.mark.parametrize(
    "add",
    [
        ADD.replace(">3<", "> 03 <"),
        ADD.replace(">3<", ">0<"),
        ADD.replace(">3<", ">1<"),
        ADD.replace("<LocURI>7</LocURI>", "<LocName>7</LocName>"),
        ADD.replace("<Item>", "<Meta><Type>text/plain</Type><Wild>x</Wild></Meta><Item>"),
        ADD.replace("<Item>", "<Meta><EMI>x</EMI><Mark>new</Mark><Version/></Meta><Item>"),
        ADD.replace("<Item>", "<Meta/><Item><Meta><Size/></Meta>"),
        ADD.replace("<Item>", "<Cred><Data/></Cred><Item>"),
        ADD.replace("<Item>", "<Item><New/><Target><LocURI/></Target>"),
        ADD.replace("seven", "<![CDATA[se]]>ve<!-- x --><?y z?>n"),
        ADD.replace("seven", "&#115;&#x65;ven"),
        ADD.replace("<Add>", "<Add a='b' xml:lang='en'>"),
        ADD.replace("<Data>", "<Data xmlns=''>"),
        ADD.replace("><", ">\r\n\t<"),
        "<Sequence><CmdID>3</CmdID>" + ADD + "</Sequence>",
    ],
)
def test_manners_of_an_item(phone: Phone, add: str) -> None:
    """Numbers, empty elements, what is unknown, all that XML allows: the item arrives."""
    phone.say(ALERT)

    assert {200, 201} == {code for _, code in phone.say(sync(add))}
    assert ["seven"] == phone.items()


@pytest.mark.parametrize("encoding", ["utf-8", "iso-8859-1", "gb2312", "utf-16"])
def test_item_in_markup(phone: Phone, encoding: str) -> None:
    """An item that is XML itself, and not in CDATA, is kept as it was written."""
    markup = "<x:note xmlns:x='urn:x' a=\"1>0\"><to>B\u00d7&amp;C</to> b<!-- c --></x:note>"
    phone.say(ALERT)
    body = sync(ADD.replace("seven", f"\n {markup}\n"))
    declared = f"<?xml version='1.0' encoding='{encoding}'?>"
    told = phone.post((declared + phone.document(body)).encode(encoding))

    assert ("Add", 201) in told
    assert [markup] == phone.items()


ATTRIBUTES = (
    ' xmlns="SYNCML:SYNCML1.1"',
    ' xmlns="http://www.example.org/syncml_represent_v11.dtd" version="1"',
    ' xmlns:syncml="SYNCML:SYNCML1.1" xmlns:metinf="syncml:metinf"',
)


@pytest.mark.parametrize("attributes", ATTRIBUTES)
def test_name_spaces(phone: Phone, attributes: str) -> None:
    """That of the root is taken for SyncML's, whatever it is called."""
    phone.post(phone.document(ALERT).replace("<SyncML>", f"<SyncML{attributes}>").encode())
    second = phone.document(sync(ADD)).replace("<SyncML>", f"<SyncML{attributes}>")

    assert FINE == phone.post(second.encode())


def test_prefix_of_every_element(phone: Phone) -> None:
    """`syncml:SyncML` and all that is in it."""
    phone.say(ALERT)
    document = phone.document(sync(ADD)).replace("</", "\0").replace("<", "<syncml:")
    document = document.replace("\0", "</syncml:")
    space = '<syncml:SyncML xmlns:syncml="SYNCML:SYNCML1.1">'

    assert FINE == phone.post(document.replace("<syncml:SyncML>", space, 1).encode())


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "gb2312", "GBK", "big5", "shift_jis", "euc-kr"]
)
def test_encodings(phone: Phone, encoding: str) -> None:
    """Whatever Asian phones write; the item is UTF-8 here."""
    text = "人" if "euc" not in encoding else "한"
    phone.say(ALERT)
    document = phone.document(sync(ADD.replace("seven", text)))
    told = f"<?xml version='1.0' encoding='{encoding.removesuffix('-sig')}'?>{document}"

    assert FINE == phone.post(told.encode(encoding))
    assert [text] == phone.items()


@pytest.mark.parametrize("encoding", ["iso-8859-1", "windows-1252", "iso-8859-15", "us-ascii"])
def test_encodings_of_one_octet(phone: Phone, encoding: str) -> None:
    """Those that expat reads by itself."""
    phone.say(ALERT)
    document = phone.document(sync(ADD))
    told = f"<?xml version='1.0' encoding='{encoding}' standalone='yes'?>\n{document}\n"

    assert FINE == phone.post(told.encode(encoding))


DEVINF = (
    "<Put><CmdID>9</CmdID><Meta><Type>application/vnd.syncml-devinf+xml</Type></Meta><Item>"
    "<Source><LocURI>./devinf11</LocURI></Source><Data>{}</Data></Item></Put>"
)
BROKEN_DEVINF = [
    "<DevInf/>",
    "<DevInf><DevID>1</DevID><DevID>1</DevID></DevInf>",
    "<DevInf><DevID>1</DevID><DevTyp>phone</DevTyp><DataStore/></DevInf>",
    "<DevInf><DevID>1</DevID><DevTyp>phone</DevTyp><Ext/></DevInf>",
    "nothing",
    "<![CDATA[<DevInf><DevID>]]>",
    "<html/>",
]


@pytest.mark.parametrize("data", BROKEN_DEVINF)
def test_device_information_that_cannot_be_read(phone: Phone, data: str) -> None:
    """It costs the Put, 400, and is told; the Alert beside it is served, nothing is asked again."""
    first = phone.say(DEVINF.format(data) + ALERT)
    second = phone.say(sync(ADD))

    assert [("SyncHdr", 200), ("Put", 400), ("Alert", 200)] == first
    assert FINE == second
    assert ["seven"] == phone.items()
    (told,) = phone.told
    assert told.startswith("IMEI:1: Put refused, 400 bad request: ")
    assert " in Put/Item/Data" in told


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (f"<Add><CmdID>4</CmdID>{ITEM.replace('seven', 'x<Item/>y')}</Add>", 400),
        ("<Add><CmdID>4</CmdID></Add>", 400),
        ("<Add><CmdID>4</CmdID><Item><Source/></Item></Add>", 400),
        ("<Add><CmdID>4</CmdID><Item><Meta><Size>big</Size></Meta></Item></Add>", 400),
        ("<Add><CmdID>4</CmdID><Meta/><Meta/><Item/></Add>", 400),
        ("<Add><CmdID>4</CmdID><Cred/><Item/></Add>", 400),
        ("<Add><CmdID>4</CmdID><Item><Data>no name</Data></Item></Add>", 412),
    ],
)
def test_command_that_cannot_be_read(phone: Phone, command: str, code: int) -> None:
    """It is refused; what stands beside it is done, and nothing is agreed."""
    phone.say(ALERT)
    statuses = phone.say(sync(command, ADD))
    phone.say("")

    assert [("SyncHdr", 200), ("Sync", 200), ("Add", 201), ("Add", code)] == sorted(
        statuses, key=lambda each: each[1]
    )
    assert ["seven"] == phone.items()
    again = ALERT.replace("203", "200").replace("<Next>", "<Last>1</Last><Next>")
    phone.message = 0
    assert ("Alert", 508) in phone.say(again, SessionID="<SessionID>2</SessionID>")


def test_sync_that_cannot_be_read(phone: Phone) -> None:
    """A refresh of which nothing could be read takes nothing away."""
    (phone.folder / "a.txt").write_text("stays")
    phone.say(ALERT)
    broken = sync(ADD, before="<NumberOfChanges>many</NumberOfChanges>")

    assert [("SyncHdr", 200), ("Sync", 400)] == phone.say(broken)
    assert ["stays"] == phone.items()


def test_atomic_that_cannot_be_read_in_part(phone: Phone) -> None:
    """All or nothing: nothing."""
    phone.say(ALERT)
    broken = "<Add><CmdID>9</CmdID></Add>"
    codes = dict(phone.say(sync(f"<Atomic><CmdID>8</CmdID>{ADD}{broken}</Atomic>")))

    assert 507 == codes["Atomic"]
    assert [] == phone.items()


@pytest.mark.parametrize(
    "status",
    [
        "<Status/>",
        "<Status><CmdID>1</CmdID><MsgRef>one</MsgRef><CmdRef>1</CmdRef><Data>200</Data></Status>",
        "<Status><MsgRef>1</MsgRef><TargetRef>notes</TargetRef><Data>200</Data></Status>",
        "<Status><MsgRef>1</MsgRef><Cmd>SyncHdr</Cmd><Data>200</Data></Status>",
        "<Status><CmdID>1</CmdID><MsgRef>1</MsgRef><CmdRef>0</CmdRef><Data>OK</Data></Status>",
        "<Status><CmdID>1</CmdID><MsgRef>1</MsgRef><CmdRef>9</CmdRef><Data>200</Data></Status>",
        "<Final/>",
        "<Results><CmdID>1</CmdID></Results>",
        "<Search/>".replace("/>", "><CmdID>5</CmdID></Search>"),
        "<New><CmdID>5</CmdID></New>",
    ],
)
def test_what_stands_beside(phone: Phone, status: str) -> None:
    """A Status that says nothing, what is unknown, Final twice: the rest of the message is done."""
    phone.say(ALERT)

    assert set(FINE) <= {*phone.say(status + sync(ADD))}
    assert ["seven"] == phone.items()


def test_numbers_that_are_alike(phone: Phone) -> None:
    """Two commands of one number: each is answered for itself."""
    phone.say(ALERT)
    other = ADD.replace(">7<", ">8<").replace("seven", "eight")

    assert [*FINE, ("Add", 201)] == phone.say(sync(ADD, other))
    assert ["eight", "seven"] == phone.items()


def test_documents_that_cannot_be_read_cost_what_they_are() -> None:
    """Many of them in one message come to the bounds of the message all the same."""
    inner = f"<![CDATA[<DevInf>{'<x/>' * 1000}]]>"
    body = DEVINF.format(inner) * 300
    head = "".join(HEAD.values()).format(message=1)
    document = f"<SyncML><SyncHdr>{head}</SyncHdr><SyncBody>{body}</SyncBody></SyncML>"
    codes = [e.code for e in xml.decode(document.encode()).commands if isinstance(e, Unread)]

    assert (300, 400, 413) == (len(codes), codes[0], codes[-1])
