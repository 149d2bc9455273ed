"""REQUEST SYNCHRONIZATION: the command, its response, its event. Our specification."""

import pytest

from cardsync.errors import PeerError
from cardsync.octets.apdu import SW
from cardsync.toolkit import synchronization_objects as so
from cardsync.toolkit.codes import EnvelopeTag, GeneralResult, TimeUnit
from cardsync.toolkit.commands import Part, ProactiveCommand, TerminalResponse
from cardsync.toolkit.data_object import DataObject
from cardsync.toolkit.envelope import Envelope
from cardsync.toolkit.objects import AlphaIdentifier, Duration, Result
from cardsync.toolkit.synchronization import (
    Operation,
    Permanent,
    Qualifier,
    SynchronizationStatus,
    accepted,
    alpha_of,
    reference_of,
    request_synchronization,
    status_event,
)

FULL: tuple[DataObject, ...] = (
    so.SynchronizationProtocol(so.Protocol.SYNCML_DS, 0x11),
    so.TransportList((so.Transport.WSP,)),
    so.SynchronizationType(203),
    so.SourceDatabase.of_imei("490154203237518", "./dm"),
    so.TargetDatabase.of_uri("http://dm.mno.example/s", "./dm"),
)
REFERENCE = so.SessionReference(b"\0\1")

VECTOR_1 = (
    "D056 810301F500 82028182 7FFE0103011101 7FFE020101 7FFE0301CB"
    "7FFE041001084A0951243032578101042E2F646D"
    "7FFE051F0417687474703A2F2F646D2E6D6E6F2E6578616D706C652F7301042E2F646D 7F7E060100"
)
VECTORS = [
    (VECTOR_1, request_synchronization(*FULL, so.Notification(0))),
    (
        "D019 810301F500 82028182 7FFE0E0101 7F7E07020001 7F7E060101",
        request_synchronization(so.ProfileReference(1), REFERENCE, so.Notification(1)),
    ),
]


@pytest.mark.parametrize(("text", "built"), VECTORS)
def test_the_first_two_vectors(text: str, built: ProactiveCommand) -> None:
    """Refresh from client over WSP with all its objects (88 octets), and by a profile (27)."""
    octets = bytes.fromhex(text)

    assert octets == built.encode()
    assert built == ProactiveCommand.decode(octets)
    assert len(octets) in {27, 88}


def test_the_other_two_vectors() -> None:
    """Accepted with its reference (18 octets); refused because of a 401."""
    command = request_synchronization(so.ProfileReference(1), REFERENCE)
    refused = Result(so.CODE_POINTS.permanent, bytes([Permanent.CLIENT_AUTHENTICATION]) + b"\1\x91")
    answer = accepted(request_synchronization(*FULL), refused)

    assert (
        bytes.fromhex("810301F500 82028281 830100 7F7E07020001")
        == accepted(command, Result(GeneralResult.PERFORMED)).encode()
    )
    assert bytes.fromhex("810301F500 82028281 83043E050191") == answer.encode()
    assert answer == TerminalResponse.decode(answer.encode())


def test_operations_and_conditions_in_the_qualifier() -> None:
    """Bits 1 and 2 the operation, 3 to 5 the conditions; what is None is left out."""
    command = request_synchronization(
        REFERENCE,
        None,
        operation=Operation.CANCEL,
        flags=Qualifier.CONFIRM | Qualifier.SOURCE_IN_UICC,
    )

    assert 0x15 == command.details.qualifier
    assert (REFERENCE,) == tuple(part.object for part in command.parts)


def test_what_a_terminal_must_understand() -> None:
    """Parameters, token, mask, constraints and profile; the rest may be passed over."""
    command = request_synchronization(
        *FULL,
        so.Notification(1),
        REFERENCE,
        so.AuthenticationReference(1),
        so.CategoryMask(1),
        so.Constraints(0xFFFF, 20, so.Bearers.CELLULAR),
        so.Retry(1, 1, 0, 0),
        Duration(TimeUnit.MINUTES, 5),
        so.ProfileReference(1),
    )
    optional = [type(part.object) for part in command.parts if not part.comprehension]

    assert [so.Notification, so.SessionReference, so.Retry, Duration] == optional
    assert command == ProactiveCommand.decode(command.encode())


MISSING = [
    *[(FULL[:at] + FULL[at + 1 :], Operation.START) for at in range(5)],
    ((), Operation.START),
    ((*FULL, so.Notification(1)), Operation.START),
    ((so.ProfileReference(1), so.Notification(2)), Operation.START),
    ((), Operation.CANCEL),
    ((), Operation.QUERY_STATUS),
]


@pytest.mark.parametrize(("found", "operation"), MISSING)
def test_a_command_that_lacks_something(
    found: tuple[DataObject, ...], operation: Operation
) -> None:
    """A parameter without a profile, or the reference of a session: the terminal owes `36`."""
    octets = request_synchronization(*found, operation=operation).encode()
    with pytest.raises(PeerError) as caught:
        ProactiveCommand.decode(octets)

    assert GeneralResult.VALUES_MISSING == caught.value.answer


COMPLETE = [
    (FULL, Operation.START),
    ((so.ProfileReference(1), REFERENCE, so.Notification(2)), Operation.START),
    ((REFERENCE,), Operation.CANCEL),
    ((REFERENCE,), Operation.QUERY_STATUS),
    ((), Operation.QUERY_CAPABILITIES),
]


@pytest.mark.parametrize(("found", "operation"), COMPLETE)
def test_a_command_that_lacks_nothing(found: tuple[DataObject, ...], operation: Operation) -> None:
    """The least that each operation needs."""
    built = request_synchronization(*found, operation=operation)

    assert built == ProactiveCommand.decode(built.encode())


def test_the_event_both_ways() -> None:
    """Event, identities, reference, result, summary; a final one without an anchor."""
    told = status_event(b"\0\1", Result(0), so.Summary(added=1))
    head = bytes.fromhex("D62A 9901F5 82028281 7F7E07020001 830100")

    assert head == told.encode()[: len(head)]
    assert 44 == len(told.encode())
    assert told == Envelope.decode(told.encode())
    assert so.CODE_POINTS.event == told.event
    assert SynchronizationStatus(b"\0\1", Result(0), so.Summary(added=1)) == (
        SynchronizationStatus.of(told)
    )


def test_the_event_without_a_summary() -> None:
    """Nothing is known of the session but how it ended."""
    told = status_event(b"\0\1", Result(so.CODE_POINTS.temporary, b"\5"), None)

    assert SynchronizationStatus.of(told).summary is None


@pytest.mark.parametrize("gone", [so.SessionReference, Result])
def test_an_event_that_lacks_something(gone: type[DataObject]) -> None:
    """Reference and result must be there."""
    told = status_event(b"\0\1", Result(0), None)
    parts = tuple(part for part in told.parts if not isinstance(part.object, gone))
    with pytest.raises(PeerError):
        SynchronizationStatus.of(Envelope(EnvelopeTag.EVENT_DOWNLOAD, parts))


def test_what_is_read_from_a_command() -> None:
    """Its reference and the text for the user, where there are any."""
    bare = request_synchronization(*FULL)
    told = request_synchronization(AlphaIdentifier("Update?"), *FULL, REFERENCE)

    assert (None, None) == (reference_of(bare), alpha_of(bare))
    assert (b"\0\1", "Update?") == (reference_of(told), alpha_of(told))
    assert () == accepted(bare, Result(0)).parts
    assert (Part(REFERENCE, comprehension=False),) == accepted(told, Result(0)).parts


def test_an_event_that_names_none_is_refused() -> None:
    """The card owes `6A80`. TS 102 223 clause 7.5."""
    told = Envelope.decode(bytes.fromhex("D606 9900 82028281"))
    with pytest.raises(PeerError) as caught:
        _ = told.event

    assert SW.INCORRECT_DATA == caught.value.answer
