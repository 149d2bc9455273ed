"""Down the ladder with a terminal around the card: the right rung, quotas, what is learned. O-4."""

from base64 import urlsafe_b64decode

import pytest

from cardsync.card.secured import write_key_set
from cardsync.octets.apdu import Ins
from cardsync.ota.report import ReportReason
from cardsync.ota.security import Algorithm, Key, KeySet
from cardsync.ota.token import PAGE_TARGET, derive_token_key, verify_token
from cardsync.policy.values import Rung
from cardsync.toolkit.browser import BrowserTerminationCause
from cardsync.toolkit.codes import CommandType, EventCode, GeneralResult
from cardsync.toolkit.information import LocationStatus
from cardsync.toolkit.objects import Result
from cardsync.toolkit.profile import TerminalProfile
from cardsync.toolkit.synchronization_objects import CODE_POINTS
from cardsync.transport.sms import Submit
from cardsync.transport.user_data import COMMAND_HEADER, LARGEST_OCTETS
from climbers import (
    BY_BROWSER,
    BY_SMS,
    HEAD_WITH,
    NO_BIT,
    NUMBER,
    PATIENCE,
    POLLS,
    Bench,
    Browsing,
    Deaf,
)
from mobiles import (
    ALL_FEATURES,
    ENDS,
    HEAD,
    IMEI,
    KEYS,
    OTHER_IMEI,
    PERFORMED,
    RETRY,
    SYNC_NOW,
    Agent,
    rule,
    variables,
)


def test_terminal_with_the_command() -> None:
    """It stays on the native rung, and no short message is sent."""
    bench = Bench()
    for _ in range(2):
        assert [] == bench.trigger()
        bench.there.end(bench.there.agent.references[-1])

    assert 2 == len(bench.there.agent.orders)
    assert (2, 0) == bench.ends


@pytest.mark.parametrize("general", [0x30, 0x31])
@pytest.mark.parametrize("profile", [ALL_FEATURES, NO_BIT], ids=["claims", "does not"])
def test_terminal_that_refuses(general: int, profile: TerminalProfile) -> None:
    """30 and 31 mean the next rung; the second time it is taken at once. RS-37, RS-39, RS-41."""
    bench = Bench(agent=Agent(Result(general)), profile=profile)
    (tpdu,) = bench.trigger()
    report = bench.read(tpdu)

    assert (ReportReason.FALLBACK, IMEI, "all") == (report.reason, report.imei, report.request)
    assert 1 == report.steps
    assert (1, 0) == bench.ends
    assert "all: from the native command down to sms" in bench.journal

    (tpdu,) = bench.trigger()

    assert 0 == bench.read(tpdu).steps
    assert 1 == len(bench.there.agent.orders)


def test_message_fits_and_goes_to_the_operator() -> None:
    """One SMS-SUBMIT to the policy's number: a command packet of 140 octets at most."""
    bench = Bench(agent=Agent(Result(0x30)))
    (tpdu,) = bench.trigger()
    found = Submit.decode(tpdu)

    assert NUMBER.strip("+") == found.destination.number
    assert COMMAND_HEADER == found.user_data.header
    assert LARGEST_OCTETS >= found.user_data.length()


def test_delta() -> None:
    """The first report says all; the next only what has changed, and always the IMEI."""
    bench = Bench(agent=Agent(Result(0x30)))
    first = bench.read(bench.trigger()[0])
    second = bench.read(bench.trigger()[0])

    assert ("en", 8) == (first.language, first.technology)
    assert first.profile is not None
    assert (IMEI, None, None, None) == (
        second.imei, second.language, second.technology, second.profile,
    )  # fmt: skip


def test_other_phone_in_this_card() -> None:
    """The card in another phone says so, whatever the reason was."""
    bench = Bench(agent=Agent(Result(0x30)))
    bench.read(bench.trigger()[0])
    bench.again(imei=OTHER_IMEI)
    report = bench.read(bench.trigger()[0])

    assert (ReportReason.OTHER_TERMINAL, OTHER_IMEI) == (report.reason, report.imei)


@pytest.mark.parametrize("result", [Result(0x20, b"\0"), Result(0x2E, b"\2"), Result(0x22, b"\0"),
                                    Result(0x32), Result(0x36)])  # fmt: skip
def test_no_reason_to_go_down(result: Result) -> None:
    """What is temporary, the user's or a fault of ours does not lead down. RS-39."""
    bench = Bench(agent=Agent(result))

    assert [] == bench.trigger()
    assert (0, 1) == bench.ends


def test_temporary_means_again() -> None:
    """A terminal that is busy is asked again after the time of the policy, natively."""
    policy = HEAD_WITH + RETRY + 'fallback = ["sms"]\n' + SYNC_NOW + ENDS
    bench = Bench(policy, Agent(Result(0x20, b"\0")))
    bench.trigger()
    bench.there.agent.result = PERFORMED
    bench.there.later(600)

    assert 2 == len(bench.there.agent.orders)
    assert [] == bench.there.equipment.outgoing()


def test_terminal_that_never_answers() -> None:
    """Without timers 20 polls are the end of the patience; then the next rung has its turn. T6."""
    bench = Bench(agent=Deaf(), profile=NO_BIT)
    bench.trigger()
    bench.there.equipment._proactive.timers.clear()
    bench.there.poll(POLLS - 1)

    assert [] == bench.there.equipment.outgoing()

    bench.there.poll()
    (tpdu,) = bench.there.equipment.outgoing()

    assert 1 == bench.read(tpdu).steps
    assert (1, 0) == bench.ends


@pytest.mark.parametrize("profile", [ALL_FEATURES, NO_BIT], ids=["claims", "does not"])
def test_timer_is_the_way_out(profile: TerminalProfile) -> None:
    """A timer runs before a first native command; the next rung goes when it has run out. T10."""
    bench = Bench(agent=Deaf(), profile=profile)
    bench.there.forget()
    bench.trigger()

    assert [CommandType.TIMER_MANAGEMENT, CODE_POINTS.command] == bench.there.types

    bench.there.later(PATIENCE - 1)

    assert [] == bench.there.equipment.outgoing()

    bench.there.forget()
    bench.there.later(1)
    told = [response for apdu, response in bench.there.exchanges if apdu[1] == Ins.ENVELOPE]
    (tpdu,) = bench.there.equipment.outgoing()

    assert 0x91 == told[0][-2]
    assert CommandType.SEND_SHORT_MESSAGE in bench.there.types
    assert 1 == bench.read(tpdu).steps
    assert "all: no answer to the native command" in bench.journal
    assert (1, 0) == bench.ends

    bench.trigger()

    assert [] == bench.there.agent.orders


def test_terminal_that_hangs() -> None:
    """One that does nothing any more until its next power-on gets the next rung then. RS-43."""
    bench = Bench(agent=Deaf(), profile=ALL_FEATURES)
    bench.there.meddle = lambda apdu, response: (
        b"\x90\x00" if apdu[1] == Ins.ENVELOPE and bench.there.agent.orders else response
    )
    bench.trigger()
    bench.there.later(PATIENCE)
    bench.again()

    assert 1 == len(bench.there.equipment.outgoing())
    assert 1 == len(bench.there.agent.orders)


def test_silent_until_power_on() -> None:
    """A terminal that hangs and never claimed the command is not asked again. RS-03."""
    bench = Bench(agent=Deaf(), profile=NO_BIT)
    bench.trigger()
    bench.again()

    assert 1 == len(bench.there.agent.orders)
    assert 1 == len(bench.there.equipment.outgoing())
    assert (1, 0) == bench.ends


def test_terminal_that_resets() -> None:
    """One that claims the command and falls over it each time gets it four times, then SMS."""
    bench = Bench(agent=Deaf(), profile=ALL_FEATURES)
    bench.trigger()
    sent = []
    for _ in range(6):
        bench.again()
        sent += bench.there.equipment.outgoing()

    assert 4 == len(bench.there.agent.orders)
    assert 1 == len(sent)

    assert 1 == len(bench.trigger())
    assert 4 == len(bench.there.agent.orders)


def test_accepted_and_reset() -> None:
    """A terminal that has answered is known to have the command: it is asked again, not left."""
    bench = Bench(profile=NO_BIT)
    bench.trigger()
    bench.again()

    assert 2 == len(bench.there.agent.orders)
    assert [] == bench.there.equipment.outgoing()


def test_quota_of_the_day() -> None:
    """No more short messages leave than the policy allows; then the policy hears of a failure."""
    bench = Bench(agent=Agent(Result(0x30)))
    sent = [len(bench.trigger()) for _ in range(4)]
    bench.there.poll()

    assert [1, 1, 0, 0] == sent
    assert (2, 2) == bench.ends
    assert "all: sms: no short message is left for today" in bench.journal


def test_no_number() -> None:
    """Without the operator's number no short message is sent."""
    bench = Bench(BY_SMS.replace("report_number", "number"), Agent(Result(0x30)))

    assert [] == bench.trigger()

    bench.there.poll()

    assert (0, 1) == bench.ends


def test_weak_keys() -> None:
    """A card that has single DES alone sends no report: anybody could make one."""
    bench = Bench(agent=Agent(Result(0x30)))
    bench.trigger()
    weak = Key(Algorithm.DES, bytes(8))
    write_key_set(bench.there.card.memory, KeySet(1, weak, weak))
    bench.sender.keys = KeySet(1, weak, weak)

    assert [] == bench.trigger()
    assert "all: sms: there is no key for a report" in bench.journal


def test_store_and_forward() -> None:
    """Without service the short message waits in the card, also over a power-on."""
    bench = Bench(agent=Agent(Result(0x30)))
    out, in_ = LocationStatus(2), LocationStatus(0)
    bench.there.equipment.event(EventCode.LOCATION_STATUS, out, now=1.0)

    assert [] == bench.trigger()
    assert "all: kept until there is service" in bench.journal
    assert (0, 0) == bench.ends

    bench.there.equipment.event(EventCode.LOCATION_STATUS, in_, now=2.0)

    assert 1 == len(bench.there.equipment.outgoing())
    assert (1, 0) == bench.ends


def test_kept_over_a_power_on() -> None:
    """What was kept leaves after the power-on by its timer."""
    bench = Bench(agent=Agent(Result(0x30)))
    bench.there.equipment.event(EventCode.LOCATION_STATUS, LocationStatus(2), now=1.0)
    bench.trigger()
    bench.again()
    bench.there.later(60)

    assert 1 == len(bench.there.equipment.outgoing())


def test_terminal_unable_to_send() -> None:
    """20 or 21 for the short message: it is kept, and sent by the timer."""
    bench = Bench(agent=Agent(Result(0x30)))
    full = bench.there.equipment._proactive.outgoing
    full.extend([b""] * 16)
    bench.trigger()

    assert (0, 0) == bench.ends

    bench.there.later(30 * 60)

    assert 1 == len(bench.there.equipment.outgoing())
    assert (1, 0) == bench.ends


def test_browser() -> None:
    """A page with a token in its address, once; the end of the browser is the end. RS-40."""
    handset = Browsing()
    bench = Bench(BY_BROWSER, Agent(Result(0x30)), handset=handset)

    assert [] == bench.trigger()

    (page,) = handset.pages
    address, _, token = page.partition("?t=")
    key = derive_token_key(KEYS.kid.octets)

    assert "https://dm.operator.example/s" == address
    assert 0 < verify_token(key, urlsafe_b64decode(token), PAGE_TARGET)
    assert (0, 0) == bench.ends

    told = bench.there.equipment.event(
        EventCode.BROWSER_TERMINATION, BrowserTerminationCause(0), now=1.0
    )

    assert told
    assert (1, 0) == bench.ends

    bench.trigger()

    assert 2 == len({*handset.pages})
    assert 1 == len(bench.there.agent.orders)


def test_browser_that_failed() -> None:
    """A browser that ended by an error is a failure, but no reason to leave it for good."""
    bench = Bench(BY_BROWSER, Agent(Result(0x30)), handset=Browsing())
    bench.trigger()
    cause = BrowserTerminationCause(1)
    bench.there.equipment.event(EventCode.BROWSER_TERMINATION, cause, now=1.0)

    assert (0, 1) == bench.ends


def test_no_browser() -> None:
    """A terminal without a browser: the short message, which tells both steps. RS-42."""
    bench = Bench(BY_BROWSER, Agent(Result(0x31)))
    (tpdu,) = bench.trigger()

    assert 1 << Rung.BROWSER | 1 == bench.read(tpdu).steps

    bench.there.forget()
    bench.trigger()

    assert CommandType.LAUNCH_BROWSER not in bench.there.types
    assert CommandType.SEND_SHORT_MESSAGE in bench.there.types


def test_every_rung_fails() -> None:
    """The policy hears of it once, with the result of the last rung."""
    policy = HEAD + 'fallback = ["browser"]\n' + SYNC_NOW + ENDS
    bench = Bench(policy, Agent(Result(0x31)))
    bench.trigger()

    assert (0, 1) == bench.ends


def test_result_of_a_lower_rung() -> None:
    """The policy can tell a report from a synchronization: result 07 and the rung."""
    heard = rule(
        '"synchronized"',
        '{ set = { heard = "heard + 1" } }',
        f"result.general == {GeneralResult.PERFORMED_WITH_MODIFICATION:d} and "
        f"result.additional == {Rung.SMS:d}",
    )
    bench = Bench(BY_SMS + heard, Agent(Result(0x30)))
    bench.trigger()

    assert 1 == variables(bench.there.card)["heard"]


def test_report_of_a_rule() -> None:
    """A rule reports by itself; the machine has counted its short message."""
    policy = HEAD_WITH + rule('{ menu = "Report" }', '{ report = "sms" }') + ENDS
    bench = Bench(policy)
    bench.there.equipment.choose(1, 1.0)
    (tpdu,) = bench.there.equipment.outgoing()

    assert ReportReason.RULE is bench.read(tpdu).reason


@pytest.mark.parametrize("means", ["bip", "ussd"])
def test_report_that_cannot_be(means: str) -> None:
    """Without an address, and by means that the card does not have, the journal says why."""
    policy = HEAD_WITH + rule('{ menu = "Report" }', f'{{ report = "{means}" }}') + ENDS
    bench = Bench(policy)
    bench.there.equipment.choose(1, 1.0)

    assert f"a report by {means.upper()} was wanted" in bench.journal


def test_nothing_left() -> None:
    """A terminal that refused and never claimed is not asked again; the policy hears of it."""
    bench = Bench(HEAD + SYNC_NOW + ENDS, Agent(Result(0x31)), profile=NO_BIT)
    bench.trigger()
    bench.trigger()
    bench.there.poll()

    assert 1 == len(bench.there.agent.orders)
    assert (0, 2) == bench.ends


@pytest.mark.parametrize(
    ("address", "octets"),
    [
        ("192.0.2.1:9000", "3E0521C0000201"),
        ("[2001:db8::1]:9000", "3E115720010DB8000000000000000000000001"),
    ],
)
def test_open_channel(address: str, octets: str) -> None:
    """TCP, UICC in client mode, remote; the default bearer. TS 102 223 clause 6.6.27.2."""
    policy = HEAD_WITH.replace("[variables]", f'report_address = "{address}"\n[variables]')
    bench = Bench(policy + 'fallback = ["bip"]\n' + SYNC_NOW + ENDS, Agent(Result(0x31)))
    bench.trigger()
    opened = [one for one in bench.there.fetched if one.details.type == CommandType.OPEN_CHANNEL]
    data = opened[0].encode().hex().upper()

    assert "B5 01 03 B9 02 04 00 BC 03 02 23 28".replace(" ", "") + "BE" + octets[2:] in data
    assert (0, 1) == bench.ends
