"""Reasons in words."""

import pytest

from cardsync.policy.explain import explain, explain_one, show_event
from cardsync.policy.facts import Event, Facts
from cardsync.policy.machine import Machine
from cardsync.policy.values import EventKind
from policy_texts import AID, TABLES, compiled, policy, rule


@pytest.mark.parametrize(
    ("when", "facts", "why"),
    [
        ("battery > 2", {"battery": 1}, "battery was 1 (wanted > 2)"),
        ("2 < battery", {"battery": 1}, "battery was 1 (wanted > 2)"),
        ("battery + 1 == 3", {"battery": 1}, "battery + 1 was 2 (wanted 3)"),
        ("asked", {}, "asked was false (wanted true)"),
        ("not network.roaming", {}, "network.roaming was unknown (wanted false)"),
        (
            "network.status not in (LIMITED, NO_SERVICE)",
            {"network.status": 2},
            "network.status was NO_SERVICE (wanted not in (LIMITED, NO_SERVICE))",
        ),
        (
            "language == home",
            {"language": b"fi"},
            'language was "fi" (wanted == home, which was "en")',
        ),
        ("language != 'fi'", {"language": b"fi"}, 'language was "fi" (wanted != "fi")'),
        ("profile == b'\\x4a'", {"profile": b"\x09"}, "profile was 09 (wanted 4A)"),
        (
            "since_last.synchronization >= 30 * days",
            {"since_last.synchronization": 60},
            "since_last.synchronization was 1 h (wanted >= 30 d)",
        ),
        ("pause < interval", {}, "pause was 1 h (wanted < interval, which was 30 min)"),
        (
            "battery == 1 or battery == 2",
            {"battery": 3},
            "battery was 3 (wanted 1); battery was 3 (wanted 2)",
        ),
        (
            "imei != last.imei",
            {"imei": b"490154203237518", "last.imei": b"490154203237518"},
            'imei was "490154203237518", as at the last success',
        ),
        (
            "last.network.technology == network.technology",
            {"network.technology": 10, "last.network.technology": 8},
            "network.technology was NR, at the last success LTE",
        ),
        ("imei == last.imei", {"imei": b"49"}, 'imei was "49", and there was no success yet'),
        (
            "imei != last.imei",
            {"last.imei": b"49"},
            'imei was unknown (wanted != last.imei, which was "49")',
        ),
        (
            "network.mcc > last.network.mcc",
            {"network.mcc": 244, "last.network.mcc": 244},
            "network.mcc was 244 (wanted > last.network.mcc, which was 244)",
        ),
        ("imei == '49'", {"imei": b"\x49\x01"}, 'imei was 4901 (wanted "49")'),
        ("battery == 3 and battery == 2 and asked", {"battery": 3}, "battery was 3 (wanted 2)"),
    ],
)
def test_reasons(when: str, facts: Facts, why: str) -> None:
    """What was compared, what it was, what was wanted. R-41."""
    machine = Machine(compiled(policy(rule(1, '"poll"', '{ tell = "x" }', when), tables=TABLES)))
    (reason,) = machine.handle(Event(EventKind.POLL), facts).reasons

    assert f"rule 1 did not fire: {why}" == explain_one(reason)
    assert [f"poll: rule 1 did not fire: {why}"] == list(explain([reason]))


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (Event(EventKind.IDLE_SCREEN), "idle_screen"),
        (Event(EventKind.TIMER, 90), "timer after 90 min"),
        (Event(EventKind.MENU, 1), "menu 1"),
        (Event(EventKind.MESSAGE, "sync-now"), "message sync-now"),
        (Event(EventKind.MESSAGE, b"sync-now"), "message sync-now"),
        (Event(EventKind.APPLICATION, bytes.fromhex(AID)), f"application {AID}"),
    ],
)
def test_events(event: Event, text: str) -> None:
    """Events are shown with their arguments."""
    assert text == show_event(event)
