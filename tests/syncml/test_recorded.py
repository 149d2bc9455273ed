"""Messages as phones, organizers, plug-ins and servers of twenty years have written them.

The manner of each is that of a public record of the implementation that is named, or of the
examples in the Sync Protocol; all names and values are ours. Every one is read, written again in
both representations without loss, and shown.
"""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cardsync.cli.syncml import app
from cardsync.fleet.syncml_server import Settings, SyncmlServer
from cardsync.syncml import codec, show, xml
from cardsync.syncml.devinf import DevInf
from cardsync.syncml.elements import (
    Alert,
    Item,
    Map,
    Message,
    Put,
    Replace,
    Results,
    Status,
    Sync,
    Version,
)
from cardsync.terminal.databases.sources import open_source

_UIQ = """<?xml version="1.0" encoding="UTF-8"?><SyncML xmlns='SYNCML:SYNCML1.0'><SyncHdr>\
<VerDTD>1.0</VerDTD><VerProto>SyncML/1.0</VerProto><SessionID>1613468400</SessionID>\
<MsgID>1</MsgID><Target><LocURI>http://a.example/rpc.php</LocURI></Target><Source>\
<LocURI>490154-20-323751-8</LocURI></Source><Cred><Meta><Type xmlns='syncml:metinf'>\
syncml:auth-basic</Type><Format xmlns='syncml:metinf'>b64</Format></Meta>\
<Data>dTpzZWNyZXQ=</Data></Cred><Meta><MaxMsgSize xmlns='syncml:metinf'>200000</MaxMsgSize>\
</Meta></SyncHdr><SyncBody><Put><CmdID>1</CmdID><Meta><Type xmlns='syncml:metinf'>\
application/vnd.syncml-devinf+xml</Type></Meta><Item><Source><LocURI>./devinf10</LocURI>\
</Source><Data><DevInf xmlns='syncml:devinf'><VerDTD>1.0</VerDTD>
<Man>Maker</Man>
<DevTyp>smartphone</DevTyp>
<DevID>490154-20-323751-8</DevID><DataStore><SourceRef>c:\\Documents\\agenda\\agenda</SourceRef>

\t<MaxGUIDSize>4</MaxGUIDSize>
\t<Rx-Pref>
\t\t<CTType>text/x-vcalendar</CTType>
\t\t<VerCT>1.0</VerCT>
\t</Rx-Pref>
\t<Tx-Pref>
\t\t<CTType>text/x-vcalendar</CTType>
\t\t<VerCT>1.0</VerCT>
\t</Tx-Pref>
\t<DSMem>
\t</DSMem>
\t<SyncCap>
\t\t<SyncType>01</SyncType>
\t\t<SyncType>02</SyncType>
\t</SyncCap>
</DataStore>
<CTCap>
\t<CTType>text/x-vcalendar</CTType>
\t<PropName>ATTENDEE</PropName>
\t\t<ParamName>ROLE</ParamName>
\t\t<ParamName>RSVP</ParamName>
\t<PropName>BEGIN</PropName>
\t\t<ValEnum>VCALENDAR</ValEnum>
\t\t<ValEnum>VEVENT</ValEnum>
</CTCap></DevInf></Data></Item></Put><Get><CmdID>2</CmdID><Meta><Type xmlns='syncml:metinf'>\
application/vnd.syncml-devinf+xml</Type></Meta><Item><Target><LocURI>./devinf10</LocURI></Target>\
</Item></Get><Alert><CmdID>3</CmdID><Data>200</Data><Item><Target><LocURI>calendar</LocURI>\
</Target><Source><LocURI>c:\\Documents\\agenda\\agenda</LocURI></Source><Meta>\
<Anchor xmlns='syncml:metinf'><Last xmlns='syncml:metinf'>20061222T204212Z</Last>\
<Next xmlns='syncml:metinf'>20061222T205323Z</Next></Anchor></Meta></Item></Alert><Final/>\
</SyncBody></SyncML>"""
"""A smart phone with UIQ, 1.0: white space in the device information, an empty DSMem."""

_UIQ_ITEMS = """<?xml version="1.0" encoding="UTF-8"?><SyncML xmlns='SYNCML:SYNCML1.0'><SyncHdr>\
<VerDTD>1.0</VerDTD><VerProto>SyncML/1.0</VerProto><SessionID>1</SessionID><MsgID>2</MsgID>\
<Target><LocURI>http://a.example/</LocURI></Target><Source><LocURI>490154-20-323751-8</LocURI>\
</Source></SyncHdr><SyncBody><Status><CmdID>1</CmdID><MsgRef>1</MsgRef><CmdRef>0</CmdRef>\
<Cmd>SyncHdr</Cmd><TargetRef>490154-20-323751-8</TargetRef><SourceRef>http://a.example/</SourceRef>\
<Data>200</Data></Status><Sync><CmdID>2</CmdID><Target><LocURI>calendar</LocURI></Target><Source>\
<LocURI>c:\\Documents\\agenda\\agenda</LocURI></Source><Replace><CmdID>3</CmdID><Meta>\
<Type xmlns='syncml:metinf'>text/calendar</Type></Meta><Item><Source><LocURI>667</LocURI></Source>\
<Data><![CDATA[BEGIN:VCALENDAR
VERSION:1.0
BEGIN:VEVENT
SUMMARY:a < b & c
DTEND:20061225T240000Z
END:VEVENT
END:VCALENDAR
]]></Data></Item></Replace></Sync><Map><CmdID>6</CmdID><Target><LocURI>calendar</LocURI></Target>\
<Source><LocURI>c:\\Documents\\agenda\\agenda</LocURI></Source><MapItem><Target>\
<LocURI>2007.5fbc16@a.example</LocURI></Target><Source><LocURI>680</LocURI></Source></MapItem>\
</Map>\
<Final/></SyncBody></SyncML>"""
"""The same phone: items in CDATA, names that are numbers, one MapItem in a Map."""

_FIRST = """<?xml version='1.0'?>
<SyncML xmlns='syncml:SYNCML1.1'>
<SyncHdr>
    <VerDTD>1.0</VerDTD>
    <VerProto>SyncML/1.0</VerProto>
    <SessionID>10</SessionID>
    <MsgID>1</MsgID>
    <Target><LocURI>sync.example.com</LocURI>
    </Target>
    <Source><LocURI>490154203237518</LocURI>
    </Source>
    <Meta>
\t<MaxMsgSize xmlns='syncml:metinf'>2700</MaxMsgSize>
    </Meta>
</SyncHdr>
<SyncBody>
    <Put><CmdID>1</CmdID>
    <Meta>
\t<Type xmlns='syncml:metinf'>application/vnd.syncml-devinf+xml</Type>
    </Meta>
    <Item>
\t<Source><LocURI>./devinf10</LocURI>
\t</Source>
\t<Data><![CDATA[
\t<DevInf xmlns='syncml:devinf'>
\t\t<VerDTD>1.0</VerDTD>
\t\t<DevID>490154203237518</DevID>
\t\t<DevTyp>phone</DevTyp>
\t\t<DataStore>
\t\t    <MaxGUIDSize>40</MaxGUIDSize>
\t\t    <SourceRef>PBDB</SourceRef>
\t\t    <Rx-Pref><CTType>text/x-vcard</CTType><VerCT>2.1</VerCT></Rx-Pref>
\t\t    <Tx-Pref><CTType>text/x-vcard</CTType><VerCT>2.1</VerCT></Tx-Pref>
\t\t    <DSMem><MaxID>510</MaxID></DSMem>
\t\t    <SyncCap><SyncType>1</SyncType></SyncCap>
\t\t</DataStore>
\t    </DevInf>
\t]]></Data>
\t</Item>
    </Put>
    <Alert>
\t<CmdID>2</CmdID>
        <Data>201</Data>
\t<Item>
\t    <Target><LocURI>/pb</LocURI>
\t    </Target>
\t    <Source><LocURI>PBDB</LocURI>
\t    </Source>
\t    <Meta>
\t\t<Anchor xmlns='syncml:metinf'><Last>0</Last>
\t\t    <Next>5</Next>
\t\t</Anchor>
\t    </Meta>
\t</Item>
    </Alert>
    <Final></Final>
    </SyncBody>
</SyncML>
"""
"""One of the first phones, 1.0 in a name space of 1.1: device information in CDATA after a line
end, a server that is no URL, a database that begins with a slash."""

_PLUGIN = """<?xml version="1.0" encoding="UTF-8"?>
<SyncML>
<SyncHdr><VerDTD>1.1</VerDTD>
<VerProto>SyncML/1.1</VerProto>
<SessionID>1168032800</SessionID>
<MsgID>2</MsgID>
<Target><LocURI>http://a.example/ds</LocURI>
</Target>
<Source><LocURI>sc-pim-outlook</LocURI>
</Source>
<Meta><MaxMsgSize>250000</MaxMsgSize>
</Meta>
</SyncHdr>
<SyncBody><Status><CmdID>1</CmdID>
<MsgRef>1</MsgRef>
<CmdRef>5</CmdRef>
<Cmd>Add</Cmd>
<Data>201</Data>
<Item><Source><LocURI>20061013.htyrg8@a.example</LocURI>
</Source>
</Item>
</Status>
<Sync><CmdID>3</CmdID>
<Target><LocURI>calendar</LocURI>
</Target>
<Source><LocURI>calendar</LocURI>
</Source>
<Replace><CmdID>4</CmdID>
<Meta><Type>text/x-s4j-sife</Type>
</Meta>
<Item><Source><LocURI>000000004FCBE97B738E</LocURI>
</Source>
<Meta><Format>b64</Format>
</Meta>
<Data>PGFwcG9pbnRtZW50Lz4=</Data>
</Item>
<Item><Source><LocURI>000000004FCBE97B738F</LocURI>
</Source>
<Meta><Format>b64</Format>
</Meta>
<Data></Data>
</Item>
</Replace>
</Sync>
<Alert><CmdID>5</CmdID>
<Data>222</Data>
<Item><Target><LocURI>calendar</LocURI>
</Target>
<Source><LocURI>calendar</LocURI>
</Source>
</Item>
</Alert>
<Final></Final>
</SyncBody>
</SyncML>"""
"""A plug-in of a mail program, 1.1: no name spaces, a line end behind most elements, several
items in a command with Type outside and Format inside, an Item in a Status."""

_EXAMPLE = """<?xml version="1.0"?>
<!DOCTYPE SyncML PUBLIC "-//SYNCML//DTD SyncML 1.1//EN" "http://a.example/represent_v11.dtd">
<SyncML>
    <SyncHdr>
        <VerDTD>1.1</VerDTD><VerProto>SyncML/1.1</VerProto><SessionID>1</SessionID><MsgID>1</MsgID>
        <Target><LocURI>http://a.example/sync-server</LocURI></Target>
        <Source><LocURI>IMEI:490154203237518</LocURI></Source>
        <Cred> <!--The authentication is optional.-->
            <Meta><Type xmlns='syncml:metinf'>syncml:auth-basic</Type></Meta>
            <Data>dTpzZWNyZXQ=</Data> <!--base64 of "user:password"-->
        </Cred>
    </SyncHdr>
    <SyncBody>
        <Status>
            <CmdID>8</CmdID><MsgRef>1</MsgRef><CmdRef>1</CmdRef><Cmd>Alert</Cmd>
            <SourceRef> http://a.example/sync-server </SourceRef>
            <Data>200</Data> <!--OK-->
            <Item><Data>
                <Anchor xmlns='syncml:metinf'><Next>200005022T093223Z </Next></Anchor>
            </Data></Item>
        </Status>
        <Put>
            <CmdID>2</CmdID>
            <Meta><Type xmlns='syncml:metinf'>application/vnd.syncml-devinf+xml</Type></Meta>
            <Item>
                <Source><LocURI>./devinf11</LocURI></Source>
                <Data>
                    <DevInf xmlns='syncml:devinf'>
                        <Man>Big Factory, Ltd.</Man>
                        <DevID>1218182THD000001-2</DevID>
                        <DevTyp>phone</DevTyp>
                        <DataStore>
                            <SourceRef>./contacts</SourceRef>
                            <Rx-Pref>
                                <CTType>text/x-vcard </CTType>
                                <VerCT>2.1</VerCT>
                            </Rx-Pref>
                            <Tx-Pref>
                                <CTType>text/x-vcard</CTType>
                                <VerCT>2.1</VerCT>
                            </Tx-Pref>
                        </DataStore>
                        <CTCap>
                            <CTType>text/x-vcard</CTType>
                            <PropName>TEL</PropName>
                            <ParamName>VOICE</ParamName>
                        </CTCap>
                        <SyncCap>
                            <SyncType>01</SyncType>
                        </SyncCap>
                    </DevInf>
                </Data>
            </Item>
        </Put>
        <Sync>
            <CmdID>3</CmdID>
            <Target><LocURI>./contacts/james_bond</LocURI></Target>
            <Source><LocURI>./dev-contacts</LocURI></Source>
            <Meta>
                <Mem xmlns='syncml:metinf'>
                    <FreeMem>8100</FreeMem>
                    <!--Free memory (bytes) in the database on a device -->
                    <FreeId>81</FreeId>
                </Mem>
            </Meta>
            <Replace>
                <CmdID>4</CmdID>
                <Meta><Type xmlns='syncml:metinf'>text/x-vcard</Type></Meta>
                <Item>
                    <Source><LocURI>1012</LocURI></Source>
                    <Data><!--The vCard data would be placed here.--></Data>
                </Item>
            </Replace>
        </Sync>
    </SyncBody>
</SyncML>
"""
"""In the manner of the examples of the Sync Protocol 1.1: DOCTYPE, comments, no VerDTD and no
SyncCap where they belong, FreeId for FreeID, white space around an address, no Final."""

_S60 = """
<?xml version='1.0'?>
<SyncML><SyncHdr><VerDTD>1.2</VerDTD><VerProto>SyncML/1.2</VerProto><SessionID>2</SessionID>\
<MsgID>1</MsgID><Target><LocURI>http://a.example:8881</LocURI></Target><Source>\
<LocURI>IMEI:490154203237518</LocURI></Source><Meta><MaxMsgSize>40000</MaxMsgSize></Meta></SyncHdr>\
<SyncBody><Alert><CmdID>1</CmdID><Data>201</Data><Item><Target><LocURI>./k</LocURI></Target>\
<Source>\
<LocURI>./C:Contacts.cdb</LocURI></Source><Meta><Anchor><Last></Last><Next>20120703T224641Z</Next>\
</Anchor></Meta></Item></Alert><Put><CmdID>2</CmdID><Meta>\
<Type>application/vnd.syncml-devinf+xml</Type></Meta><Item><Source><LocURI>./devinf12</LocURI>\
</Source><Data><DevInf xmlns="syncml:devinf"><VerDTD>1.2</VerDTD><FwV></FwV><HwV/><DevID>IMEI:4\
</DevID>\
<DevTyp>phone</DevTyp><SupportLargeObjs/><UTC/><DataStore><SourceRef>./C:Contacts.cdb</SourceRef>\
<MaxGUIDSize></MaxGUIDSize><Rx-Pref><CTType>text/x-vcard</CTType><VerCT/></Rx-Pref><Tx-Pref>\
<CTType>text/x-vcard</CTType><VerCT>2.1</VerCT></Tx-Pref><SyncCap><SyncType>1</SyncType></SyncCap>\
<SupportHierarchicalSync/><CTCap><CTType>text/x-vcard</CTType><VerCT>2.1</VerCT><Property>\
<PropName>ADR</PropName><DataType /><MaxSize>256</MaxSize><PropParam><ParamName>TYPE</ParamName>\
<DataType /><ValEnum>HOME</ValEnum></PropParam></Property><Property><PropName></PropName>\
<MaxSize>65536</MaxSize></Property></CTCap></DataStore></DevInf></Data></Item></Put><Final/>\
</SyncBody></SyncML>"""
"""A smart phone with S60, 1.2: a line end first, Alert before Put, an empty anchor, empty
elements in the device information and its parts in an order of their own."""

_RPC = """<SyncML xmlns="syncml:syncml1.1"><SyncHdr><VerDTD>1.1</VerDTD><VerProto>SyncML/1.1\
</VerProto>\
<SessionID>26430116</SessionID><MsgID>1</MsgID><Target><LocURI>fwm-0E23</LocURI><LocName></LocName>\
</Target><Source><LocURI>http://a.example/rpc.php</LocURI></Source><Meta>\
<MaxMsgSize xmlns="syncml:metinf">1000000</MaxMsgSize><MaxObjSize xmlns="syncml:metinf">31000\
</MaxObjSize></Meta></SyncHdr><SyncBody><Status><CmdID>2</CmdID><MsgRef>1</MsgRef><CmdRef>1\
</CmdRef>\
<Cmd>Alert</Cmd><TargetRef>contacts</TargetRef><SourceRef>contact</SourceRef><Data>508</Data><Item>\
<Data><Anchor xmlns="syncml:metinf"><Last>26429128</Last><Next>26430116</Next></Anchor></Data>\
</Item>\
</Status><Alert><CmdID>3</CmdID><Data>200</Data><Item><Target><LocURI>contact</LocURI></Target>\
<Source>\
<LocURI>contacts</LocURI></Source><Meta><Anchor xmlns="syncml:metinf"><Last>0</Last>\
<Next>1160775641</Next></Anchor><MaxObjSize xmlns="syncml:metinf">31000</MaxObjSize></Meta></Item>\
</Alert><Results><CmdID>4</CmdID><MsgRef>1</MsgRef><CmdRef>2</CmdRef><Meta>\
<Type xmlns="syncml:metinf">application/vnd.syncml-devinf+xml</Type></Meta><Item><Source>\
<LocURI>./devinf11</LocURI></Source><Data><DevInf xmlns="syncml:devinf"><VerDTD>1.1</VerDTD>\
<Man>A project (http://a.example/)</Man><DevID>a.example</DevID><DevTyp>server</DevTyp><DataStore>\
<SourceRef>notes</SourceRef><Rx-Pref><CTType>text/plain</CTType><VerCT>1.0</VerCT></Rx-Pref>\
<Tx-Pref>\
<CTType>text/plain</CTType><VerCT>1.0</VerCT></Tx-Pref><SyncCap><SyncType>1</SyncType></SyncCap>\
</DataStore></DevInf></Data></Item></Results><Final></Final></SyncBody></SyncML>
"""
"""A server in PHP, 1.1: another name space, an empty LocName, both anchors in a Status."""

_PYTHON = """<SyncML><SyncHdr><VerDTD>1.2</VerDTD><VerProto>SyncML/1.2</VerProto>\
<SessionID>43645</SessionID><MsgID>2</MsgID><Source><LocURI>http://a.example/;sessionid=7a</LocURI>\
<LocName>Notes</LocName></Source><Target><LocURI>d</LocURI></Target>\
<RespURI>http://a.example/;sessionid=7a</RespURI></SyncHdr><SyncBody><Status><CmdID>1</CmdID>\
<MsgRef>2</MsgRef><CmdRef>0</CmdRef><Cmd>SyncHdr</Cmd><SourceRef>d</SourceRef><Data>500</Data>\
<Error>\
<Code>a.ProtocolError</Code><Message>no &lt;such&gt; thing</Message></Error></Status><Results>\
<CmdID>4</CmdID><MsgRef>1</MsgRef><CmdRef>2</CmdRef><Meta>\
<Type xmlns="syncml:metinf">text/plain</Type>\
</Meta><Item><Source><LocURI>./x</LocURI><LocName>./x</LocName></Source><Data>y</Data></Item>\
</Results>\
<Sync><CmdID>3</CmdID><Source><LocURI>notes</LocURI></Source><Target><LocURI>notes</LocURI>\
</Target>\
<NumberOfChanges>0</NumberOfChanges></Sync><Final /></SyncBody></SyncML>"""
"""A server in Python, 1.2: Source before Target, an element of its own in a Status."""

_PREFIXES = """<?xml version="1.0" encoding="ISO-8859-1"?>\r
<s:SyncML xmlns:s="SYNCML:SYNCML1.2" xmlns:m="syncml:metinf" xmlns:d="syncml:devinf">\r
<s:SyncHdr><s:VerDTD>1.2</s:VerDTD><s:VerProto>SyncML/1.2</s:VerProto><s:SessionID>1</s:SessionID>\
<s:MsgID>1</s:MsgID><s:Target><s:LocURI>a</s:LocURI></s:Target><s:Source><s:LocURI>b</s:LocURI>\
</s:Source><s:Cred><s:Meta>Basic</s:Meta><s:Data>dTpzZWNyZXQ=</s:Data></s:Cred></s:SyncHdr>\r
<s:SyncBody><s:Sync><s:CmdID>1</s:CmdID><s:Add><s:CmdID>2</s:CmdID><s:Meta><m:MetInf><m:Type>\
text/plain</m:Type><m:EMI>datapos=0</m:EMI></m:MetInf></s:Meta><s:Item><s:Source><s:LocURI>1\
</s:LocURI>\
</s:Source><s:Data>\xc5se &amp; Bo&#13;\n</s:Data></s:Item></s:Add></s:Sync><s:Final/>\
</s:SyncBody>\r
</s:SyncML>"""
"""Prefixes for all three name spaces, another character set, a MetInf, text in a Meta."""

MESSAGES = {
    "uiq": _UIQ.encode(),
    "uiq-items": _UIQ_ITEMS.encode(),
    "first": _FIRST.encode(),
    "plugin": _PLUGIN.encode(),
    "example": _EXAMPLE.encode(),
    "s60": _S60.encode(),
    "rpc": _RPC.encode(),
    "python": _PYTHON.encode(),
    "prefixes": _PREFIXES.encode("latin-1"),
    "line ends": _PLUGIN.replace("\n", "\r\n").encode(),
    "utf-16": _PYTHON.encode("utf-16"),
    "bom": b"\xef\xbb\xbf" + _PYTHON.encode(),
}


def _read(name: str) -> Message:
    return xml.decode(MESSAGES[name])


def _only(message: Message, kind: type) -> object:
    (found,) = [each for each in message.commands if isinstance(each, kind)]
    return found


@pytest.mark.parametrize("content_type", [codec.XML, codec.WBXML])
@pytest.mark.parametrize("name", MESSAGES)
def test_nothing_is_lost(name: str, content_type: str) -> None:
    """What was read is what is read again, from either representation."""
    message = _read(name)
    octets = codec.encode(message, content_type)

    assert message == codec.decode(octets, content_type)
    assert octets == codec.encode(codec.decode(octets, content_type), content_type)


@pytest.mark.parametrize("name", MESSAGES)
def test_shown(name: str, tmp_path: Path) -> None:
    """`cardsync syncml show --json`: one object with its type, size and tree, without secrets."""
    path = tmp_path / "message"
    path.write_bytes(MESSAGES[name])
    result = CliRunner().invoke(app, ["show", str(path), "--json"])
    told = json.loads(result.stdout)

    assert 0 == result.exit_code
    assert (codec.XML, len(MESSAGES[name])) == (told["type"], told["octets"])
    assert ["SyncHdr", "SyncBody"] == [each["name"] for each in told["message"]["children"]]
    assert "dTpzZWNyZXQ=" not in result.stdout
    assert "SyncML" == next(iter(show.lines(told["message"])))


@pytest.mark.parametrize(
    ("name", "version", "stores", "types"),
    [
        ("uiq", "1.0", ["c:\\Documents\\agenda\\agenda"], (1, 2)),
        ("first", "1.0", ["PBDB"], (1,)),
        ("example", "1.1", ["./contacts"], ()),
        ("s60", "1.2", ["./C:Contacts.cdb"], (1,)),
    ],
)
def test_device_information(
    name: str, version: str, stores: list[str], types: tuple[int, ...]
) -> None:
    """In line or in CDATA, with white space, with parts that are empty or missing."""
    put = _only(_read(name), Put)
    assert isinstance(put, Put)
    info = put.items[0].data

    assert isinstance(info, DevInf)
    assert version == info.version
    assert stores == [store.source_ref for store in info.datastores]
    assert types == info.datastores[0].sync_types


def test_items() -> None:
    """CDATA is what it holds; base64 stays, its format beside it; no data is none."""
    sync = _only(_read("uiq-items"), Sync)
    plugin = _only(_read("plugin"), Sync)
    assert isinstance(sync, Sync)
    assert isinstance(plugin, Sync)
    (card,), (events,) = sync.commands, plugin.commands
    assert isinstance(card, Replace)
    assert isinstance(events, Replace)

    assert "SUMMARY:a < b & c\\n" in str(card.items[0].data)
    assert [b"PGFwcG9pbnRtZW50Lz4=", b""] == [item.data for item in events.items]
    assert ["b64", "b64"] == [item.meta and item.meta.format for item in events.items]


def test_statuses() -> None:
    """An item in the place of a reference, both anchors, elements of their own."""
    plugin, rpc, python = (_only(_read(name), Status) for name in ("plugin", "rpc", "python"))
    assert isinstance(plugin, Status)
    assert isinstance(rpc, Status)
    assert isinstance(python, Status)

    assert [201, 508, 500] == [plugin.code, rpc.code, python.code]
    assert [(), (), ()] == [plugin.source_refs, plugin.target_refs, python.items]
    assert "26430116" in str(rpc.items[0].data)


def test_addresses() -> None:
    """Numbers, back slashes, white space, names without any scheme stay as they are."""
    first, example = _read("first"), _only(_read("example"), Status)
    mapped, alert = _only(_read("uiq-items"), Map), _only(first, Alert)
    assert isinstance(example, Status)
    assert isinstance(mapped, Map)
    assert isinstance(alert, Alert)

    assert ("sync.example.com", "/pb") == (first.header.target.uri, _target(alert.items[0]))
    assert (" http://a.example/sync-server ",) == example.source_refs
    assert ["680"] == [item.source for item in mapped.items]
    assert isinstance(_only(_read("rpc"), Results), Results)


def test_characters() -> None:
    """ISO 8859-1 becomes UTF-8, a carriage return by reference is kept."""
    sync = _only(_read("prefixes"), Sync)
    assert isinstance(sync, Sync)
    (add,) = sync.commands

    assert "Åse & Bo\r\n".encode() == add.items[0].data  # type: ignore[union-attr]  # an Add


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("uiq", {"SyncHdr": 212, "Put": 200, "Get": 200, "Alert": 508}),
        ("first", {"SyncHdr": 407, "Put": 407, "Alert": 407}),
        ("example", {"SyncHdr": 212, "Put": 200, "Sync": 404, "Replace": 404}),
        ("s60", {"SyncHdr": 407, "Put": 407, "Alert": 407}),
        ("prefixes", {"SyncHdr": 212, "Sync": 404, "Add": 404}),
    ],
)
def test_answered(name: str, expected: dict[str, int], tmp_path: Path) -> None:
    """The stand-alone server answers every command, in the version that it was asked in."""
    source = open_source(f"calendar={tmp_path / 's'}")
    server = SyncmlServer([source], Settings({"u": b"secret"}))
    reply = server.serve(MESSAGES[name], f"{codec.XML}; charset=UTF-8")
    source.close()
    told = xml.decode(reply.body)

    assert (200, codec.XML) == (reply.status, reply.content_type)
    assert expected == {e.cmd: e.code for e in told.commands if isinstance(e, Status)}
    assert _read(name).header.version is told.header.version


@pytest.mark.parametrize("name", ["uiq", "plugin", "s60"])
def test_versions(name: str) -> None:
    """The header says which, whatever name space there is."""
    expected = {"uiq": Version.V1_0, "plugin": Version.V1_1, "s60": Version.V1_2}

    assert expected[name] is _read(name).header.version


def _target(item: Item) -> str:
    return item.target.uri if item.target else ""
