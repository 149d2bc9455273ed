"""Policies for tests: the example, small ones written on the spot, and generated ones."""

from pathlib import Path

from hypothesis import strategies as st

from cardsync.policy.bound import CardLimits
from cardsync.policy.compiler import compile_policy
from cardsync.policy.facts import Event, Facts
from cardsync.policy.program import Program
from cardsync.policy.source import read
from cardsync.policy.values import EventKind

EXAMPLE = Path(__file__).parent.parent / "examples" / "policies" / "fleet-inventory.toml"
AID = "A0000000871004FF33FF018900000100"
GENEROUS = CardLimits(
    octets=4096, steps=2000, ram=4096, writes_a_day=100_000, kilobytes_a_day=100_000
)

HEAD = """\
policy = "test"
version = 1
"""

REQUEST = """\
[requests.all]
protocol = { name = "SyncML", version = "1.2", representation = "wbxml" }
transport = ["https"]
type = "two-way"
source = { device = "imei", database = "devman" }
target = { device = "https://dm.example/s", database = "devman" }
"""


def rule(number: int, on: str, do: str, when: str = "", every: str = "") -> str:
    """Write a rule; `on` and `do` are TOML values, `when` and `every` plain texts."""
    lines = ["[[rules]]", f'name = "rule {number}"', f"on = {on}", f"do = {do}"]
    lines += [f"when = '''{when}'''"] if when else []
    lines += [f'every = "{every}"'] if every else []
    return "\n".join(lines) + "\n"


def policy(*rules: str, tables: str = "") -> str:
    """Write a policy with one request, `all`, and these rules."""
    return HEAD + tables + REQUEST + "".join(rules)


def compiled(text: str) -> Program:
    """Compile a text for a card with much room."""
    return compile_policy(read(text, "test.toml"), GENEROUS)


def example() -> Program:
    """Compile the example for a usual card."""
    return compile_policy(read(EXAMPLE.read_text(), EXAMPLE.name))


TABLES = """\
[parameters]
interval = "30 min"
least = 3
home = "en"
[variables]
count = 0
asked = false
pause = "1 h"
[limits]
synchronizations_per_day = 5
sms_per_day = 3
"""


def _joined(values: st.SearchStrategy[str], signs: tuple[str, ...]) -> st.SearchStrategy[str]:
    return st.builds("({} {} {})".format, values, st.sampled_from(signs), values)


NUMBERS = st.recursive(
    st.sampled_from(
        ["battery", "network.mcc", "last.network.mnc", "result.general", "count", "least"]
    )
    | st.integers(0, 65535).map(str),
    lambda inner: _joined(inner, ("+", "-")) | st.builds("({} * {})".format, inner, inner),
    max_leaves=4,
).filter(lambda text: any(char.isalpha() for char in text) or text.isdecimal())
DURATIONS = st.sampled_from(
    ["connected_time", "since_last.synchronization", "pause", "interval", "5 * minutes"]
)
TEXTS = st.sampled_from(["language", "last.language", "home", "'fi'", "imei", "last.imei"])
OCTETS = st.sampled_from(["profile", "last.profile", "b'\\x4a'"])
COMPARISONS = (
    _joined(NUMBERS, ("==", "!=", "<", "<=", ">", ">="))
    | _joined(DURATIONS, ("==", "<", ">="))
    | _joined(TEXTS, ("==", "!="))
    | _joined(OCTETS, ("==", "!="))
    | st.sampled_from(["network.roaming", "last.network.roaming", "result.ok", "asked"])
    | st.sampled_from(
        ["network.technology in (LTE, NR)", "network.status not in (NORMAL,)", "1 < battery < 4"]
    )
)
CONDITIONS = st.recursive(
    COMPARISONS,
    lambda inner: _joined(inner, ("and", "or")) | inner.map("not {}".format),
    max_leaves=6,
)
ACTIONS = st.sampled_from(
    [
        'synchronize = "all"',
        'synchronize = "all", ask = { en = "May we?", fi = "Saako?" }',
        'tell = "Hello, ${home}"',
        'report = "sms"',
        'report = "bip"',
        'browse = "https://dm.example/"',
        'timer = { again = "20 min" }',
        'timer = { again = "0 min" }',
        'timer = { again = "${interval}" }',
        'menu = { hide = "Update" }',
        'set = { asked = "not asked" }',
        'set = { pause = "pause + 5 * minutes" }',
    ]
) | NUMBERS.filter(lambda text: len(text) < 120).map('set = {{ count = "{}" }}'.format)
ONS = st.sampled_from(
    [f'"{kind.name.lower()}"' for kind in EventKind if kind not in (3, 4, 5, 6)]
    + ['{ menu = "Update" }', '{ message = "now" }', f'{{ application = "{AID}" }}']
    + ['{ synchronized = "all" }', '{ timer = "again" }', '"timer"']
)


@st.composite
def policies(draw: st.DrawFn) -> str:
    """Write a policy that uses whatever the language has; it may be refused as too dear."""
    rules = [
        rule(0, '{ menu = "Update" }', '{ timer = { again = "${interval}" } }'),
    ]
    for number in range(1, draw(st.integers(1, 6)) + 1):
        on = draw(ONS)
        actions = draw(st.lists(ACTIONS, min_size=1, max_size=4, unique_by=_key))
        when = draw(st.just("") | CONDITIONS.filter(lambda text: len(text) < 400))
        every = draw(st.sampled_from(["15 min", "${interval}", "2 d"])) if on == '"timer"' else ""
        rules.append(rule(number, on, "{ " + ", ".join(actions) + " }", when, every))
    return policy(*rules, tables=TABLES)


@st.composite
def lean_policies(draw: st.DrawFn) -> str:
    """Write a policy of one rule, and what its action names: its bound is as tight as can be."""
    on, action = draw(ONS), draw(ACTIONS)
    every = draw(st.sampled_from(["15 min", "${interval}", "2 d"])) if on == '"timer"' else ""
    rules = [rule(1, on, f"{{ {action} }}", every=every)]
    if "menu =" in action and "menu =" not in on:
        rules.append(rule(2, '{ menu = "Update" }', '{ report = "ussd" }'))
    if "again" in on and "again" not in action:
        rules.append(rule(3, '"idle_screen"', '{ timer = { again = "20 min" } }'))
    if "again" in action and "again" not in on:
        rules.append(rule(4, '{ timer = "again" }', '{ report = "ussd" }'))
    return policy(*rules, tables=TABLES)


def _key(action: str) -> str:
    return action.split(" ", 1)[0]


ARGUMENTS: dict[EventKind, st.SearchStrategy[str | bytes | int]] = {
    EventKind.TIMER: st.integers(0, 3000),
    EventKind.MENU: st.sampled_from([1, 2, "Update", "Other"]),
    EventKind.MESSAGE: st.sampled_from(["now", b"now", "later"]),
    EventKind.APPLICATION: st.sampled_from([AID, bytes.fromhex(AID), b"\xa0"]),
    EventKind.SYNCHRONIZED: st.sampled_from(["all", "none"]),
}


@st.composite
def events(draw: st.DrawFn) -> Event:
    """Give any event with an argument of its kind."""
    kind = draw(st.sampled_from(EventKind))
    return Event(kind, draw(ARGUMENTS.get(kind, st.none())))


FACTS: st.SearchStrategy[Facts] = st.fixed_dictionaries(
    {},
    optional={
        "imei": st.sampled_from([b"", b"\x4a", b"\x4a\x01"]),
        "last.imei": st.sampled_from([b"\x4a", b"\x4a\x01"]),
        "profile": st.binary(max_size=3),
        "language": st.sampled_from([b"en", b"fi", b"\xff"]),
        "network.mcc": st.integers(0, 999),
        "network.technology": st.sampled_from([0, 3, 8, 10]),
        "network.roaming": st.integers(0, 1),
        "network.status": st.integers(0, 2),
        "last.network.roaming": st.integers(0, 1),
        "battery": st.integers(-1, 70000),
        "connected_time": st.integers(0, 65535),
        "since_last.synchronization": st.integers(0, 65535),
        "result.ok": st.booleans(),
        "result.general": st.integers(0, 255),
    },
)
