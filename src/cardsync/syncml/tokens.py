"""Names of the elements and their WBXML tokens, identifiers of documents, name spaces.

OMA SyncML Representation Protocol 1.2 clause 8 ("WBXML definition"), Meta-Information 1.2
clause 6, Device Information 1.2 clause 6. Each version only adds tokens, so the newest table
serves all; `Size` of Device Information 1.1 and `MaxSize` of 1.2 are the same token.
"""

from enum import IntEnum
from typing import Final

from cardsync.syncml.elements import Version


class Token(IntEnum):
    """Global tokens. WBXML 1.3 clause 7.1."""

    SWITCH_PAGE = 0x00
    END = 0x01
    ENTITY = 0x02
    STR_I = 0x03
    LITERAL = 0x04
    PI = 0x43
    STR_T = 0x83
    OPAQUE = 0xC3


HAS_CONTENT: Final = 0x40
HAS_ATTRIBUTES: Final = 0x80
TAG_BITS: Final = 0x3F
FIRST_TAG: Final = 0x05
"""Bits of a tag token, WBXML 1.3 clause 5.8.2; what is below the first tag is global."""

UTF_8: Final = 106
CHARSETS: Final = {
    0: "utf-8",
    3: "ascii",
    4: "iso-8859-1",
    UTF_8: "utf-8",
    111: "iso-8859-15",
    5: "iso-8859-2",
    8: "iso-8859-5",
    17: "shift_jis",
    18: "euc-jp",
    38: "euc-kr",
    113: "gbk",
    114: "gb18030",
    2025: "gb2312",
    2026: "big5",
    2084: "koi8-r",
    2250: "windows-1250",
    2251: "windows-1251",
    2252: "windows-1252",
}
"""MIBenum of the character sets that we read, WBXML 1.3 clause 5.6; 0 is "unknown"."""

_SYNCML_NAMES: Final = (
    "Add Alert Archive Atomic Chal Cmd CmdID CmdRef Copy Cred Data Delete Exec Final Get Item "
    "Lang LocName LocURI Map MapItem Meta MsgID MsgRef NoResp NoResults Put Replace RespURI "
    "Results Search Sequence SessionID SftDel Source SourceRef Status Sync SyncBody SyncHdr "
    "SyncML Target TargetRef - VerDTD VerProto NumberOfChanges MoreData Field Filter Record "
    "FilterType SourceParent TargetParent Move Correlator"
)
_METINF_NAMES: Final = (
    "Anchor EMI Format FreeID FreeMem Last Mark MaxMsgSize Mem MetInf Next NextNonce SharedMem "
    "Size Type Version MaxObjSize FieldLevel"
)
_DEVINF_NAMES: Final = (
    "CTCap CTType DataStore DataType DevID DevInf DevTyp DisplayName DSMem Ext FwV HwV Man "
    "MaxGUIDSize MaxID MaxMem Mod OEM ParamName PropName Rx Rx-Pref SharedMem MaxSize SourceRef "
    "SwV SyncCap SyncType Tx Tx-Pref ValEnum VerCT VerDTD XNam XVal UTC SupportNumberOfChanges "
    "SupportLargeObjs Property PropParam MaxOccur NoTruncate - Filter-Rx FilterCap FilterKeyword "
    "FieldLevel SupportHierarchicalSync"
)

Page = tuple[str, ...]
"""The names of one code page, by token without its two flags; "" where none is assigned."""


def _page(names: str) -> Page:
    """Give the names their tokens, from the first tag on; a hyphen keeps a token free."""
    listed = ["" if name == "-" else name for name in names.split()]
    return tuple(([""] * FIRST_TAG + listed + [""] * TAG_BITS)[: TAG_BITS + 1])


SYNCML: Final = _page(_SYNCML_NAMES)
METINF: Final = _page(_METINF_NAMES)
DEVINF: Final = _page(_DEVINF_NAMES)

KNOWN: Final = frozenset({*SYNCML, *METINF, *DEVINF, "Size"}) - {""}
METINF_CHILDREN: Final = frozenset(METINF) - {
    "", "Last", "Next", "SharedMem", "FreeMem", "FreeID",
}  # fmt: skip
"""What stands directly in Meta."""

PUBLIC_IDS: Final = {
    Version.V1_0: "-//SYNCML//DTD SyncML 1.0//EN",
    Version.V1_1: "-//SYNCML//DTD SyncML 1.1//EN",
    Version.V1_2: "-//SYNCML//DTD SyncML 1.2//EN",
}
DEVINF_PUBLIC_IDS: Final = {
    "1.0": "-//SYNCML//DTD DevInf 1.0//EN",
    "1.1": "-//SYNCML//DTD DevInf 1.1//EN",
    "1.2": "-//SYNCML//DTD DevInf 1.2//EN",
}
"""Formal public identifiers."""

NUMBERS: Final = {
    "-//SYNCML//DTD SyncML 1.1//EN": 0x0FD3,
    "-//SYNCML//DTD SyncML 1.2//EN": 0x1201,
    "-//SYNCML//DTD DevInf 1.1//EN": 0x0FD4,
    "-//SYNCML//DTD DevInf 1.2//EN": 0x1203,
}
"""Public identifiers that are written as numbers; those of 1.0 go into the string table."""

NAMESPACES: Final = {
    Version.V1_0: "SYNCML:SYNCML1.0",
    Version.V1_1: "SYNCML:SYNCML1.1",
    Version.V1_2: "SYNCML:SYNCML1.2",
}
METINF_NAMESPACE: Final = "syncml:metinf"
DEVINF_NAMESPACE: Final = "syncml:devinf"
