"""docs/request-synchronization.md and the code say the same, table by table, octet by octet."""

import re
from base64 import b64encode
from collections.abc import Callable, Iterable
from dataclasses import replace
from enum import IntEnum, IntFlag
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

import specification as document
from cardsync.card import orders, synchronizing
from cardsync.errors import CardsyncError
from cardsync.octets.semi import unswapped
from cardsync.operator.store.cards import TOKEN_WINDOW
from cardsync.ota.token import TOKEN_LENGTH, build_token, derive_token_key
from cardsync.policy import request_source, sizes
from cardsync.policy.values import Database, ResolvedRequest, Rung
from cardsync.syncml import auth
from cardsync.syncml.devinf import DevInf
from cardsync.syncml.elements import AlertCode, Version
from cardsync.syncml.events import SessionResult
from cardsync.syncml.record import Category
from cardsync.terminal import agent, ordered, outcome, running
from cardsync.terminal.databases.management import ManagementDatabase, OrderState
from cardsync.toolkit import data_object, structure, synchronization
from cardsync.toolkit import synchronization_objects as so
from cardsync.toolkit.code_points import CodePoints
from cardsync.toolkit.codes import GeneralResult, TerminalProblem
from cardsync.toolkit.commands import ProactiveCommand, TerminalResponse
from cardsync.toolkit.data_object import DataObject
from cardsync.toolkit.envelope import Envelope
from cardsync.toolkit.objects import CommandDetails, Result
from cardsync.toolkit.parts import Part
from cardsync.toolkit.profile import Feature, TerminalProfile
from cardsync.toolkit.session import CardSession
from cardsync.toolkit.synchronization import (
    Operation,
    Permanent,
    Qualifier,
    Refusal,
    Temporary,
    Unable,
)
from cardsync.transport import obex_client, wsp_client
from cardsync.transport.carrier import Carrier, CarrierError, Failure
from cardsync.transport.http import HttpCarrier
from specification import Vector

IMEI = "490154203237518"
ICCID = bytes.fromhex("98001032547698103214")
KID = bytes(range(16))
VECTORS = document.vectors()
OBJECTS = {one.__name__.lower(): one for one in data_object.classes()}


def class_of(name: str) -> type[DataObject]:
    """Find the class of an object by the name that the document gives it."""
    return OBJECTS[re.sub(r" \(.*\)| ", "", name).lower()]


# Lists.

LISTS: dict[str, type[IntEnum]] = {
    "Protocol": so.Protocol,
    "Representation": so.Representation,
    "Transport": so.Transport,
    "Device identifier type": so.DeviceIdType,
    "Database identifier type": so.DatabaseIdType,
    "Authentication scheme": so.AuthenticationScheme,
    "Phase": so.Phase,
    "Operation": Operation,
    "Temporary problem": Temporary,
    "Permanent error": Permanent,
    "Refusal": Refusal,
}

FLAGS: dict[str, type[IntFlag]] = {
    "Category": Category,
    "Bearers": so.Bearers,
    "Qualifier": Qualifier,
}


@pytest.mark.parametrize("title", LISTS)
def test_lists_of_values(title: str) -> None:
    """A value has the same name in the document and in the code, and neither has one more."""
    told = {value: document.identifier(name) for value, name in document.values(title).items()}

    assert told == {one.value: one.name for one in LISTS[title]}


@pytest.mark.parametrize("title", FLAGS)
def test_lists_of_bits(title: str) -> None:
    """A bit has the same name in the document and in the code, and neither has one more."""
    told = {1 << bit - 1: document.identifier(name) for bit, name in document.bits(title).items()}

    assert told == {one.value: one.name for one in FLAGS[title]}


def test_types_are_those_of_syncml() -> None:
    """The synchronization types are the alert codes of SyncML in one octet; 00 is ours."""
    told = {value: document.identifier(name) for value, name in types().items() if value}

    assert told == {code: AlertCode(code).name for code in told}
    assert set(range(200, 206)) == set(told)


def types() -> dict[int, str]:
    """Give the synchronization types."""
    return document.values("Synchronization type")


def test_words_of_the_policy() -> None:
    """What a policy can order has the values of the document."""
    words = {
        "Protocol": request_source.PROTOCOLS,
        "Representation": request_source.REPRESENTATIONS,
        "Transport": request_source.TRANSPORTS,
        "Synchronization type": request_source.TYPES,
    }
    for title, known in words.items():
        assert set(document.values(title)) == set(known.values())
    assert {1 << bit - 1 for bit in document.bits("Category")} == set(
        request_source.CATEGORIES.values()
    )


def test_terminal_problems() -> None:
    """00 to 06 are those of TS 102 223 clause 8.12.2, the others ours."""
    told = document.values("Terminal problem")
    standard = {
        value: document.identifier(name) for value, name in told.items() if 0 < value < 0x70
    }

    assert standard == {value: TerminalProblem(value).name for value in standard}
    ours = {value: document.identifier(name) for value, name in told.items() if value >= 0x70}

    assert {one.value: one.name for one in Unable} == ours


def test_general_results() -> None:
    """Every general result is one of TS 102 223 or one of our two."""
    ours = {so.CODE_POINTS.temporary, so.CODE_POINTS.permanent}
    told = {int(row[0], 16) for row in document.table("General results")}

    assert ours == told - set(GeneralResult)
    assert not ours & set(GeneralResult)


def test_profile_bits() -> None:
    """Byte and bits of TERMINAL PROFILE are those of the code."""
    byte = so.CODE_POINTS.profile_byte
    told = {bit: document.identifier(name) for bit, name in document.bits("Profile bit").items()}

    assert told == {one.value[1]: one.name for one in Feature if one.value[0] == byte}


def test_rungs() -> None:
    """The rungs of the ladder are those of the policy, and rung 0."""
    told = {int(row[0]): row[1].upper() for row in document.table("Rung")}

    assert told == {0: "NATIVE"} | {one.value: one.name for one in Rung}


def test_code_points() -> None:
    """Annex A registers every code point that the code has, with its value."""
    bases = {"profile_byte": 10}
    told = {row[0]: int(row[1], bases.get(row[0], 16)) for row in document.table("Code points")}

    assert told == {name: getattr(so.CODE_POINTS, name) for name in CodePoints.__slots__}


# Structure.

STRUCTURES = ("Objects of the command", "Objects of TERMINAL RESPONSE", "Objects of the event")


def comprehension_in(name: str) -> dict[type[DataObject], bool]:
    """Give the objects of a vector and whether their comprehension is required."""
    return {type(part.object): part.comprehension for part in parts_of(VECTORS[name])}


@pytest.mark.parametrize("title", STRUCTURES)
def test_tags(title: str) -> None:
    """Each object has the tag of its class, with the flag that the table says."""
    for row in document.table(title):
        flag, tag = row[4] == "1", bytes.fromhex(row[5])

        assert tag == class_of(row[0]).HEADS[flag], row[0]


@pytest.mark.parametrize("name", [name for name in VECTORS if name[0] == "C"])
def test_comprehension(name: str) -> None:
    """The vectors of commands have the comprehension flags of table 5.1."""
    table = {class_of(row[0]): row[4] == "1" for row in document.table(STRUCTURES[0])}
    found = comprehension_in(name)

    assert {one: table[one] for one in found} == found


@pytest.mark.parametrize("name", [row[0] for row in document.table("Lengths of values")])
def test_comprehension_as_it_is_sent(name: str) -> None:
    """What the code makes of an object of a command has the flag of table 5.1."""
    told = {row[0]: row[4] == "1" for row in document.table(STRUCTURES[0])}
    (part,) = synchronization.request_synchronization(least(class_of(name))).parts

    assert told.get(name, False) == part.comprehension


def test_what_is_mandatory() -> None:
    """The objects P of table 5.1 are those that the decoder wants, or a profile reference."""
    told = {class_of(row[0]) for row in document.table(STRUCTURES[0]) if row[2] == "P"}

    assert {frozenset({one, so.ProfileReference}) for one in told} == {
        frozenset(each) for each in structure.SYNCHRONIZATION
    }


def lengths() -> dict[str, tuple[int, int]]:
    """Give the least and the greatest length of each value."""
    return {row[0]: (int(row[2]), int(row[3])) for row in document.table("Lengths of values")}


def values_of(cls: type[DataObject], length: int) -> Iterable[bytes]:
    """Give values of a length of which one can be read if any of that length can."""
    if issubclass(cls, so.Database):
        return [bytes([0, 0, 1, length - 4]) + bytes(max(0, length - 4))]
    if cls is so.Summary:
        return [bytes(21) + bytes([length - 22]) + bytes(length - 22)] if length > 21 else [b""]
    if cls is so.Capability:
        return [bytes([length - 5]) + bytes(max(0, length - 5)) + bytes(4)] if length > 4 else [b""]
    if cls is so.Retry:
        return [bytes([1, 1, 0, 0, 0])[:length]]
    return [bytes(length)]


def reads(cls: type[DataObject], value: bytes) -> bool:
    """Say whether a value can be read."""
    try:
        cls.read(value)
    except (ValueError, CardsyncError):
        return False
    return True


def least(cls: type[DataObject]) -> DataObject:
    """Make an object of its shortest value."""
    name = next(name for name in lengths() if class_of(name) is cls)
    return cls.read(next(iter(values_of(cls, lengths()[name][0]))))


@pytest.mark.parametrize("name", lengths())
def test_lengths(name: str) -> None:
    """A value of the least and of the greatest length can be read, one octet beyond cannot."""
    cls, (low, high) = class_of(name), lengths()[name]
    open_ended = issubclass(cls, so.Database | so.Capability)

    assert any(reads(cls, value) for value in values_of(cls, low))
    assert any(reads(cls, value) for value in values_of(cls, high))
    assert not reads(cls, bytes(low - 1))
    if not open_ended:
        assert not any(reads(cls, value) for value in values_of(cls, high + 1))


def test_limits_of_retry() -> None:
    """Clause 8.10 gives each octet of Retry its least and its greatest value."""
    clause = document.TEXT.partition("### 8.10 Retry")[2].partition("###")[0]
    limits = [tuple(map(int, found)) for found in re.findall(r"(\d+) to (\d+) \|", clause)]
    least, greatest = (bytes(each) for each in zip(*limits, strict=True))

    assert 4 == len(limits)
    assert reads(so.Retry, least)
    assert reads(so.Retry, greatest)
    for place, (low, high) in enumerate(limits):
        beyond = [high + 1] if low == 0 else [low - 1, *([high + 1] if high < 255 else [])]
        for octet in beyond:
            assert not reads(so.Retry, least[:place] + bytes([octet]) + least[place + 1 :])


def test_lengths_of_the_objects() -> None:
    """The lengths of table 5.1 follow from those of the values: three octets of tag, one more."""
    for row in document.table(STRUCTURES[0]):
        if row[0] in lengths():
            low, high = (each + 4 for each in lengths()[row[0]])
            open_ended = issubclass(class_of(row[0]), so.Database)
            fixed = str(low) if low == high else f"{low} {'or' if high == low + 1 else 'to'} {high}"

            assert (f"{low} and more" if open_ended else fixed) == row[6], row[0]


def test_numbers_of_the_objects() -> None:
    """The tag of an object is the base and its number."""
    for row in document.table("Lengths of values"):
        assert so.CODE_POINTS.tags + int(row[1], 16) == class_of(row[0]).TAG


# Vectors.


def message_of(vector: Vector) -> ProactiveCommand | TerminalResponse | Envelope | TerminalProfile:
    """Decode a vector: command, response, event, profile."""
    decoders: dict[
        str, Callable[[bytes], ProactiveCommand | TerminalResponse | Envelope | TerminalProfile]
    ] = {
        "C": ProactiveCommand.decode,
        "R": TerminalResponse.decode,
        "E": Envelope.decode,
        "P": TerminalProfile,
    }
    return decoders[vector.name[0]](vector.octets)


def parts_of(vector: Vector) -> tuple[Part, ...]:
    """Give the objects of a message in their order, the result among them."""
    message = message_of(vector)
    if isinstance(message, TerminalProfile):
        return ()
    if isinstance(message, TerminalResponse):
        return (Part(message.result), *message.parts)
    return message.parts


def test_there_are_vectors() -> None:
    """Annex C has commands, responses, events and a profile."""
    assert {"C": 8, "R": 8, "E": 6, "P": 1} == {
        kind: sum(name[0] == kind for name in VECTORS) for kind in "CREP"
    }


@pytest.mark.parametrize("name", VECTORS)
def test_vectors_come_back(name: str) -> None:
    """What was decoded is encoded to the same octets; a command fits one FETCH."""
    vector = VECTORS[name]
    message = message_of(vector)
    octets = message.octets if isinstance(message, TerminalProfile) else message.encode()

    assert vector.octets == octets
    assert len(octets) <= 256


@pytest.mark.parametrize("name", VECTORS)
def test_contents_of_vectors(name: str) -> None:
    """Our decoder sees in each vector what the document says."""
    vector = VECTORS[name]

    assert list(vector.content) == list(shown(message_of(vector), parts_of(vector)))


def shown(message: object, parts: tuple[Part, ...]) -> Iterable[str]:
    """Show a message in the words of the document."""
    if isinstance(message, TerminalProfile):
        return [
            name
            for bit, name in document.bits("Profile bit").items()
            if message.octets[so.CODE_POINTS.profile_byte - 1] >> bit - 1 & 1
        ]
    details = getattr(message, "details", None)
    head = qualifier(details) if isinstance(details, CommandDetails) else []
    return chain(head, *(show(part.object) for part in parts))


def qualifier(details: CommandDetails) -> list[str]:
    """Show the qualifier: its flags, then the operation."""
    operation = document.values("Operation")[details.qualifier & 3]
    return [*flagged("Qualifier", details.qualifier), f"operation {operation}"]


def flagged(title: str, number: int) -> list[str]:
    """Give the names of the bits that are set."""
    return [name for bit, name in document.bits(title).items() if number >> bit - 1 & 1]


def named(field: str, title: str, *numbers: int) -> list[str]:
    """Show values by their names."""
    return [f"{field} {document.values(title)[number]}" for number in numbers]


def show(one: DataObject) -> list[str]:
    """Show one object: a line for each of its fields; nothing for one that is not ours."""
    return SHOWN[type(one)](one) if type(one) in SHOWN else []


def show_protocol(one: so.SynchronizationProtocol) -> list[str]:
    """Show protocol, version and representation."""
    text = f"{one.version >> 4}.{one.version & 15}" if one.version else "any"
    written = named("representation", "Representation", one.representation)
    return [*named("protocol", "Protocol", one.protocol), f"version {text}", *written]


def show_notification(one: so.Notification) -> list[str]:
    """Show the mode, and the interval in seconds."""
    told = [] if one.interval is None else [f"notification.interval {one.interval * 10}"]
    return [*named("notification", "Notification", one.mode), *told]


def show_authentication(one: so.AuthenticationReference) -> list[str]:
    """Show the scheme, and how long its data are."""
    size = [f"authentication_length {len(one.data)}"] if one.data else []
    return [*named("scheme", "Authentication scheme", one.scheme), *size]


def show_constraints(one: so.Constraints) -> list[str]:
    """Show the limits."""
    told = [f"constraints.kilobytes {one.kilobytes}", f"constraints.battery {one.battery}"]
    return [*told, *flagged("Bearers", one.bearers)]


def show_database(side: str, one: so.Database) -> list[str]:
    """Show a database by the names of device and database."""
    told = named(f"{side}.device_type", "Device identifier type", one.device_type)
    if one.device_type == so.DeviceIdType.IMEI:
        told.append(f"{side}.device {unswapped(one.device)[1:]}")
    elif one.device_type == so.DeviceIdType.ICCID:
        told.append(f"{side}.device {unswapped(one.device)}")
    else:
        told.append(f"{side}.device {one.device.decode()}")
    told += named(f"{side}.database_type", "Database identifier type", one.database_type)
    is_text = one.database_type == so.DatabaseIdType.URI
    return [*told, f"{side}.database {one.database.decode() if is_text else one.database.hex()}"]


def show_summary(one: so.Summary) -> list[str]:
    """Show phase, counts and anchor."""
    counts = [name for name in so.Summary.__slots__ if name not in {"phase", "anchor"}]
    anchor = [f"anchor {one.anchor.decode()}"] if one.anchor else []
    told = [f"{name} {getattr(one, name)}" for name in counts]
    return [*named("phase", "Phase", one.phase), *told, *anchor]


def show_capability(one: so.Capability) -> list[str]:
    """Show the five lists."""
    return [
        *named("protocol", "Protocol", *one.protocols),
        *named("representation", "Representation", *one.representations),
        *named("transport", "Transport", *one.transports),
        *named("type", "Synchronization type", *one.types),
        *named("scheme", "Authentication scheme", *one.schemes),
    ]


def show_result(one: Result) -> list[str]:
    """Show general result and additional information. Clause 9."""
    told = named("result", "General results", one.general)
    reason, rest = one.additional[:1], one.additional[1:]
    number = str(int.from_bytes(rest, "big"))
    if one.general == so.CODE_POINTS.temporary:
        told += named("result.temporary", "Temporary problem", *reason)
        word = "pause" if reason[0] == Temporary.SERVER_BUSY else "native"
        return told + ([f"result.{word} {number}"] if rest else [])
    if one.general == so.CODE_POINTS.permanent:
        told += named("result.permanent", "Permanent error", *reason)
        word = "failed" if reason[0] == Permanent.PARTIAL else "native"
        return told + ([f"result.{word} {number}"] if rest else [])
    titles = {0x07: ("type", "Synchronization type"), 0x22: ("refusal", "Refusal")}
    titles[0x20] = ("terminal", "Terminal problem")
    field, title = titles.get(one.general, ("", ""))
    told += named(f"result.{field}", title, *reason)
    return told + ([f"reference {rest.hex()}"] if rest else [])


SHOWN: dict[type[DataObject], Callable[[Any], list[str]]] = {
    Result: show_result,
    so.SynchronizationProtocol: show_protocol,
    so.TransportList: lambda one: named("transport", "Transport", *one.transports),
    so.SynchronizationType: lambda one: named("type", "Synchronization type", one.code),
    so.SourceDatabase: lambda one: show_database("source", one),
    so.TargetDatabase: lambda one: show_database("target", one),
    so.Notification: show_notification,
    so.SessionReference: lambda one: [f"reference {one.octets.hex()}"],
    so.AuthenticationReference: show_authentication,
    so.CategoryMask: lambda one: flagged("Category", one.mask),
    so.Constraints: show_constraints,
    so.Retry: lambda one: [f"retry.{name} {getattr(one, name)}" for name in so.Retry.__slots__],
    so.Summary: show_summary,
    so.Capability: show_capability,
    so.ProfileReference: lambda one: [f"profile {one.index}"],
}
"""How each object of ours is shown."""


def test_sizes() -> None:
    """Annex B counts the octets of annex C and what one FETCH has left."""
    for _, name, octets, left in document.table("Sizes"):
        size = len(VECTORS[name].octets)

        assert (str(size), str(256 - size) if name[0] == "C" else "") == (octets, left), name


REQUEST = ResolvedRequest(
    name="inventory",
    protocol=1,
    version=0x12,
    representation=1,
    transports=(4, 3, 1),
    type=0xCB,
    source=Database("imei", "devman"),
    target=Database("https://dm.operator.example/syncml", "./devman"),
    categories=0x13,
    notify=1,
)


def test_vector_of_daily_use() -> None:
    """Vector C3 is what our card sends, as large as the policy's compiler reckons."""
    token = build_token(derive_token_key(KID), ICCID, "./devman", 7)
    reference = bytes.fromhex("9a310007")
    command = orders.command_of(REQUEST, IMEI, ICCID, reference, token)

    assert VECTORS["C3"].octets == command.encode()
    assert len(VECTORS["C3"].octets) == sizes.total(sizes.request_synchronization(REQUEST))


def test_token() -> None:
    """The token, its key and how the agent shows it are those of clause 15.3."""
    told = {row[0].partition(",")[0]: row[1].strip("`") for row in document.after("Token")}
    key = derive_token_key(bytes.fromhex(told["KID"]))
    counter = int(told["counter"], 16)
    token = build_token(key, bytes.fromhex(told["ICCID"]), told["target database"], counter)
    account = auth.Account(auth.Scheme.BASIC, agent_uri(), b64encode(token))

    assert key.hex() == told["derived key"]
    assert token.hex() == told["token"]
    assert account.password.decode() == told["password"]
    cred = auth.credential(account, Version.V1_2)
    assert cred
    assert cred.data.decode() == told["Cred"]
    ends = [int(row[0].rpartition(" ")[2]) for row in document.table("Token")]
    assert [10, 14, TOKEN_LENGTH] == ends


def agent_uri() -> str:
    """Give the user that the agent shows, as the document says it."""
    found = re.search(r"with the user `(.+?)`", document.TEXT)
    assert found
    return found[1]


# Mapping.


def result_octets(result: Result) -> str:
    """Write a result as the tables do: general and first octet of additional information."""
    return " ".join([f"{octet:02X}" for octet in result.value()[:2]])


def test_mapping_of_syncml() -> None:
    """Every status of table 11.1 becomes the result that it says."""
    for statuses, expected, _ in document.table("SyncML status"):
        for status in statuses.split():
            actual = outcome.of_session(SessionResult(int(status)))

            assert expected == result_octets(actual), status


def test_native_status() -> None:
    """The native status follows the reasons of tables 9.4 and 9.5 that say so, no others. D-09."""
    titles = {0x2E: "Temporary problem", 0x3E: "Permanent error"}
    for statuses, told, _ in document.table("SyncML status"):
        general, *reason = (int(octet, 16) for octet in told.split())
        for status in map(int, statuses.split() if reason else ()):
            row = next(r for r in document.table(titles[general]) if [int(r[0], 16)] == reason)
            native = status.to_bytes(2, "big") if row[2].startswith("native") else b""

            assert native == outcome.of_session(SessionResult(status)).additional[1:], status


def test_mapping_of_http() -> None:
    """Every status of table 11.2 becomes the result that it says."""
    of_syncml = {
        status: row[1] for row in document.table("SyncML status") for status in row[0].split()
    }
    for statuses, told, _ in document.table("HTTP status"):
        for status in statuses.split():
            expected = of_syncml[status] if told == "as table 11.1" else told
            error = CarrierError(Failure.REFUSED, "", status=int(status))

            assert expected == result_octets(outcome.of_carrier(error)), status


def test_mapping_of_failures() -> None:
    """Every failure of the carrier but a status has its result in table 11.3."""
    told = {Failure(name): expected for name, expected in document.table("Failure of the carrier")}

    assert set(Failure) - {Failure.REFUSED} == set(told)
    for failure, expected in told.items():
        assert expected == result_octets(outcome.of_carrier(CarrierError(failure, "")))


def test_times() -> None:
    """Times and numbers that the code has are those of table 13.1."""
    told = {row[0]: row[1] for row in document.table("Times and numbers")}
    hours, minutes = 3600, 60
    actual = {
        "T3": f"{int(ordered._LONGEST) // minutes} min",
        "T4": f"{int(agent._PAUSE)} s",
        "T5": f"{int(agent._KEPT_SECONDS) // hours} h",
        "T6": f"{CardSession()._patience} polls",
        "T7": f"{int(synchronizing._DEADLINE) // minutes} min",
        "T8": f"{TOKEN_WINDOW.seconds // minutes} min",
        "T9": f"{orders._DAY // minutes} h",
        "T10": f"{synchronizing._PATIENCE} min",
        "N1": str(orders.MOST_RESUMES),
        "N2": str(running._RESENDS),
    }

    assert {name: told[name] for name in actual} == actual


# The states, and what must be proved.


def test_state_tables_are_whole() -> None:
    """Each event has an entry for each state; the agent's states are those of its database."""
    for heading in ("Card", "Agent, for each session reference", "Server, for each token"):
        assert all(all(row) for row in document.after(heading))
    states = re.findall(r"^\| Event \| unknown \| (.+) \|$", document.TEXT, re.MULTILINE)

    assert [" | ".join([one.name.lower() for one in OrderState])] == states


def test_requirements_are_numbered() -> None:
    """Requirements are numbered in the order of the document, each once."""
    found = document.requirements()

    assert [f"RS-{number:02}" for number in range(1, len(found) + 1)] == found


def test_requirements_are_proved() -> None:
    """Each requirement has a test purpose, and none is named that does not exist."""
    purposes = document.after("Test purposes")
    proved = {one for row in purposes for one in row[3].split()}

    assert set(document.requirements()) == proved
    assert [f"TP-{number:02}" for number in range(1, len(purposes) + 1)] == [p[0] for p in purposes]
    assert set(re.findall(r"RS-\d\d", document.TEXT)) == proved


# The statement of conformance.


def statement(feature: str) -> tuple[set[str], set[str]]:
    """Give what the PICS say is supported, and what is not."""
    row = next(row for row in document.after("PICS pro forma") if row[2] == feature)
    yes, no = ({one for one in cell.split(", ") if one} for cell in row[4:6])
    return yes, no


def accepts(*changed: DataObject) -> bool:
    """Say whether the terminal takes vector C3 with these objects in the place of its own."""
    command = ProactiveCommand.decode(VECTORS["C3"].octets)
    kinds = {type(one) for one in changed}
    kept = [part for part in command.parts if type(part.object) not in kinds]
    altered = replace(command, parts=(*kept, *map(Part, changed)))
    try:
        ordered.read_order(altered, IMEI, set(so.Transport))
    except ordered.Refused:
        return False
    return True


def judged(title: str, made: Callable[[int], tuple[DataObject, ...]]) -> tuple[set[str], set[str]]:
    """Try every value of a list; give the names of those taken and of those refused."""
    known = document.values(title)
    taken = {value for value in known if accepts(*made(value))}
    return {known[value] for value in taken}, {known[value] for value in set(known) - taken}


def target(scheme: str) -> so.TargetDatabase:
    """Name a server whose address has this scheme."""
    return so.TargetDatabase.of_uri(f"{scheme}://dm.operator.example/s", "./devman")


def source(device: int, database: int = so.DatabaseIdType.DEFAULT) -> so.SourceDatabase:
    """Name a source by these types; as octets it has what the type wants."""
    own = so.SourceDatabase.of_imei(IMEI, "").device
    name = own if device == so.DeviceIdType.IMEI else b""
    text = b"./devman" if database == so.DatabaseIdType.URI else b""
    return so.SourceDatabase(device, name, database, text)


def test_pics_of_the_protocol() -> None:
    """The terminal takes the protocols and representations that the PICS name, no others."""
    assert statement("protocols") == judged(
        "Protocol", lambda value: (so.SynchronizationProtocol(value),)
    )
    assert statement("representations") == judged(
        "Representation", lambda value: (so.SynchronizationProtocol(1, 0x12, value),)
    )
    yes, no = statement("versions")
    taken = {f"{v:02X}" for v in range(0x20) if accepts(so.SynchronizationProtocol(1, v))}
    assert yes == taken
    assert not no & taken


def test_pics_of_the_transports() -> None:
    """The terminal takes the transports that the PICS name, at addresses that fit them."""
    of_tls = {so.Transport.HTTPS, so.Transport.COAPS}

    assert statement("transports") == judged(
        "Transport",
        lambda value: (so.TransportList((value,)), target("https" if value in of_tls else "http")),
    )


def test_addresses_of_the_transports() -> None:
    """Each transport takes the forms of address that table 8.3A gives it, no others. TP-51."""
    told = {(row[0], row[1].strip("`").partition(":")[0]) for row in ADDRESSES}
    names = document.values("Transport")
    schemes = {scheme for _, scheme in told} | {"ftp", "sms", "coap"}

    assert told == {
        (name, scheme)
        for value, name in names.items()
        for scheme in schemes
        if accepts(so.TransportList((value,)), target(scheme))
    }


ADDRESSES = document.table("Address of a transport")


def test_ports_of_the_transports() -> None:
    """Table 8.3A has the ports at which the carriers look where an address names none."""
    told = {(row[0], int(row[3])) for row in ADDRESSES if row[0] not in {"HTTP", "HTTPS"}}

    assert told == {
        ("WSP", wsp_client.CONNECTION_PORT),
        ("WSP connectionless", wsp_client.CONNECTIONLESS_PORT),
        ("OBEX", obex_client.PORT),
    }


def test_pics_of_the_source() -> None:
    """The terminal takes the source identifiers that the PICS name, no others."""
    assert statement("source device identifiers") == judged(
        "Device identifier type", lambda value: (source(value),)
    )
    assert statement("source database identifiers") == judged(
        "Database identifier type", lambda value: (source(so.DeviceIdType.THIS_TERMINAL, value),)
    )


def test_pics_of_authentication() -> None:
    """The terminal has the authentication schemes that the PICS name, no others."""
    assert statement("authentication schemes") == judged(
        "Authentication scheme", lambda value: (so.AuthenticationReference(value, bytes(30)),)
    )


def test_pics_of_operations(tmp_path: Path) -> None:
    """The terminal performs the operations that the PICS name and answers others 30."""
    names = document.values("Operation")
    performed: set[str] = set()
    refused: set[str] = set()
    with ManagementDatabase(tmp_path / "devman.sqlite") as database:
        carriers: dict[int, Carrier] = dict.fromkeys((so.Transport.HTTPS,), HttpCarrier())
        identity = agent.Identity(IMEI, DevInf("1.2", IMEI, "phone", ()))
        there = agent.Agent(identity, database, carriers, lambda: 0.0)
        for name in ("C3", "C7", "C6", "C8"):
            command = ProactiveCommand.decode(VECTORS[name].octets)
            response = there.take(command, "a card", lambda: None)
            known = performed if response.performed else refused
            known.add(names[command.details.qualifier & 3])

    assert statement("operations") == (performed, refused)
