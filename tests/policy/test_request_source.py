"""Reading of requests."""

import pytest

from cardsync.policy.faults import PolicyError
from cardsync.policy.request_source import TRANSPORTS
from cardsync.policy.source import read
from cardsync.policy.values import DatabaseType, DeviceType, Request, Retry
from policy_texts import policy, rule

RULE = rule(1, '"poll"', '{ synchronize = "all" }')
TEXT = policy(RULE, tables='[parameters]\nhost = "https://h.example"\nwait = "1 h"\n')
SOURCE = 'source = { device = "imei", database = "devman" }\n'
PROTOCOL = 'protocol = { name = "SyncML", version = "1.2", representation = "wbxml" }\n'
EVERY_TRANSPORT = f"{list(TRANSPORTS)}"
FIRST_LINE = TEXT.split("\n").index("[requests.all]") + 1


def changed(old: str, new: str) -> str:
    """Give the policy with one thing changed."""
    assert old in TEXT
    return TEXT.replace(old, new)


def request(old: str, new: str) -> Request:
    """Read the request of the changed policy."""
    return read(changed(old, new), "p.toml").requests[0].request


@pytest.mark.parametrize(
    ("device", "kind"),
    [
        ("terminal", DeviceType.TERMINAL),
        ("imei", DeviceType.IMEI),
        ("imeisv", DeviceType.IMEISV),
        ("iccid", DeviceType.ICCID),
        ("eid", DeviceType.EID),
        ("urn:x", DeviceType.URI),
    ],
)
def test_devices(device: str, kind: DeviceType) -> None:
    """A device is named by a word or a URI. Draft clause 2, source database."""
    assert kind is request('device = "imei"', f'device = "{device}"').source.device_type


@pytest.mark.parametrize(
    ("database", "kind", "octets"),
    [
        ("devman", DatabaseType.URI, b"devman"),
        ("file:3F007F106F3A", DatabaseType.UICC_FILE, bytes.fromhex("3F007F106F3A")),
        ("file:7fff6f46", DatabaseType.UICC_FILE, bytes.fromhex("7FFF6F46")),
        ("aid:A000000151", DatabaseType.AID, bytes.fromhex("A000000151")),
    ],
)
def test_databases(database: str, kind: DatabaseType, octets: bytes) -> None:
    """A database is named by a URI, a path in the card or an AID. R-14, table 8.6."""
    found = request('database = "devman" }', f'database = "{database}" }}').source

    assert (kind, octets) == found.identifier


@pytest.mark.parametrize(
    "database",
    ["file:", "file:3F00", "file:6F3A", "file:3F007F1", "file:3F00/7F10", "aid:A0", "aid:x"],
)
def test_databases_that_are_misspelt(database: str) -> None:
    """What begins like a path or an AID and is none is an error, with its place."""
    with pytest.raises(PolicyError) as told:
        read(changed(SOURCE, SOURCE.replace("devman", database)), "p.toml")

    assert str(told.value).startswith(f"p.toml:{FIRST_LINE + 4}:")
    assert 'expected a URI, "file:" and a path' in str(told.value)


def test_notifications() -> None:
    """None is the default; progress has its least interval in tens of seconds."""
    assert (request("type =", "type =").notify, request("type =", "type =").progress) == (0, 0)
    assert request("type =", 'notify = "final"\ntype =').notify == 1
    progress = request("type =", 'notify = { progress = "2 min" }\ntype =')
    assert (progress.notify, progress.progress) == (2, 12)


def test_retry_and_duration() -> None:
    """Backoff and jitter may be left out; the time limit is in minutes."""
    found = request(
        "type =", 'retry = { attempts = 2, first = "1 h" }\nduration = "90 min"\ntype ='
    )

    assert found.retry == Retry(2, 60, 1, 0)
    assert found.retry.shift == 0
    assert found.duration == 90
    assert Retry(1, 1, 8, 0).shift == 3


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            '"SyncML"',
            '"SycnML"',
            "2:21: requests.all.protocol.name: this is 'SycnML'; expected one",
        ),
        ('"1.2"', '"12"', "2:41: requests.all.protocol.version: this is '12'; expected two dig"),
        ('"wbxml"', '"asn1"', "2:65: requests.all.protocol.representation: this is 'asn1'; expect"),
        ('["https"]', '["https", "ftp"]', "3:23: requests.all.transport[2]: this is 'ftp'; expec"),
        ('["https"]', '["wsp", "wsp"]', "3:21: requests.all.transport[2]: 'wsp' stands here twi"),
        ('["https"]', "[]", "3:13: requests.all.transport: this list is empty; expected a list"),
        ('transport = ["https"]\n', "", "1:11: requests.all: transport is missing; expected a l"),
        ('"two-way"', "3", "4:8: requests.all.type: this is 3; expected one of agent, two-way"),
        (
            '"imei"',
            '"phone"',
            "5:21: requests.all.source.device: this is 'phone'; expected one of t",
        ),
        ('"imei"', '"${x"', "5:22: requests.all.source.device: this place is not closed"),
        ('"imei"', '"${wait}"', "5:24: requests.all.source.device: the parameter 'wait' is a dur"),
        ('{ device = "imei", ', "{ ", "5:1: requests.all.source: device is missing; expected"),
        (SOURCE, "", "1:11: requests.all: source is missing; expected a device, such as"),
        (PROTOCOL, "", "1:11: requests.all: protocol is missing; expected { name = "),
        ('"devman" }\ntarget', '"a\\nb" }\ntarget', "5:40: requests.all.source.database: this is"),
        ('["https"]', EVERY_TRANSPORT, "3:13: requests.all.transport: this is a list; expected at"),
        ("type =", "retry = 3\ntype =", "4:9: requests.all.retry: this is 3; expected { attem"),
        ("type =", "retry = {}\ntype =", "4:1: requests.all.retry: attempts is missing; expected"),
        ("type =", 'categories = ["all"]\ntype =', "4:15: requests.all.categories[1]: this is 'al"),
        ("type =", 'duration = "5 h"\ntype =', "4:12: requests.all.duration: this is '5 h'; expe"),
        ("type =", 'notify = "always"\ntype =', "4:10: requests.all.notify: this is 'always'; ex"),
        ("type =", "tpye = 1\ntype =", "4:1: requests.all.tpye: unknown key; expected one of pro"),
    ],
)
def test_faults(old: str, new: str, told: str) -> None:
    """Each fault is told at its character; lines count from the request's table."""
    line, rest = told.split(":", 1)
    with pytest.raises(PolicyError) as caught:
        read(changed(old, new), "p.toml")

    assert str(caught.value).startswith(f"p.toml:{FIRST_LINE + int(line) - 1}:{rest}")


def test_backoff_is_a_shift() -> None:
    """The command carries the backoff as a shift, so it is a power of two."""
    retry = 'retry = { attempts = 2, first = "1 h", backoff = 3, jitter = "200 %" }\ntype ='
    with pytest.raises(PolicyError, match=r"backoff: this is 3; expected 1, 2, 4 or 8") as caught:
        read(changed("type =", retry), "p.toml")

    assert "jitter: this is '200 %'; expected a percentage" in str(caught.value)
