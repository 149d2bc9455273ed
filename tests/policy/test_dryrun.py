"""Two programs on the same events: how much each does, for whom, and why."""

from hypothesis import given, settings
from hypothesis import strategies as st

from cardsync.policy.decisions import Report, Synchronize
from cardsync.policy.dryrun import DryRun, Load
from cardsync.policy.dryrun import Report as Comparison
from cardsync.policy.faults import PolicyError
from cardsync.policy.program import Program
from cardsync.policy.recording import Line, LineReader
from cardsync.policy.trial import Trial
from policy_texts import AID, TABLES, compiled, example, policies, policy, rule

Fields = dict[str, object]


def lines(*recorded: Fields) -> list[Line]:
    """Make lines; a card is `a` where it is not said."""
    reader = LineReader()
    return [reader.read({"card": "a"} | fields) for fields in recorded]


def compare(old: Program, new: Program, recorded: list[Line], *, assume: bool = True) -> Comparison:
    """Run both."""
    run = DryRun(old, new, assume_success=assume)
    for line in recorded:
        run.hear(line)
    return run.finish()


def one_rule(do: str, when: str = "", on: str = '"poll"', name: int = 1, more: str = "") -> Program:
    """Compile a policy with one rule."""
    return compiled(policy(rule(name, on, do, when), more, tables=TABLES))


SYNC = '{ synchronize = "all" }'
POLLS = lines(
    {"event": "poll", "minute": 0, "facts": {"battery": 1}},
    {"event": "poll", "minute": 1440, "card": "b", "facts": {"battery": 4}},
    {"event": "poll", "minute": 2880},
)


def test_nothing_changes() -> None:
    """A program does what it does itself."""
    found = compare(example(), example(), POLLS)

    assert (found.events, found.cards, found.days) == (3, 2, 2.0)
    assert (found.differences, found.causes, found.changed) == ((), (), ())
    assert found.old == found.new


def test_a_condition_that_does_not_hold() -> None:
    """What was not done any more, in which cards, and which comparison was false."""
    found = compare(one_rule(SYNC), one_rule(SYNC, "battery > 2"), POLLS)
    (cause,), (changed,) = found.causes, found.changed

    assert (found.old.load.synchronizations, found.new.load.synchronizations) == (3, 1)
    assert (found.old.active, found.new.active) == (2, 1)
    assert (found.old.fired, found.new.fired) == ({"rule 1": 3}, {"rule 1": 1})
    assert cause.why == "only old: 'rule 1'; new: not (battery > 2)"
    assert cause.example == (
        "card a, minute 0, poll: new: rule 1 did not fire: battery was 1 (wanted > 2)"
    )
    assert (cause.change.synchronizations, cause.events, cause.cards) == (-2, 2, {"a"})
    assert (changed.card, changed.minute, changed.why) == ("a", 0, cause.why)
    assert (changed.old.synchronizations, changed.new.synchronizations) == (2, 0)


def why(old: Program, new: Program, recorded: list[Line] = POLLS) -> list[str]:
    """Give the causes."""
    return [cause.why for cause in compare(old, new, recorded).causes]


def test_causes() -> None:
    """Every cause has its words."""
    tell = '{ tell = "x" }'
    assert why(one_rule(tell), one_rule(tell, name=2)) == []
    assert why(one_rule(SYNC), one_rule(tell, name=2)) == [
        "only old: 'rule 1'; new: there is no such rule",
        "only new: 'rule 2'; old: there is no such rule",
    ]
    assert why(one_rule(tell), one_rule(SYNC)) == [
        "only old: 'rule 1'; new: it does something else",
        "only new: 'rule 1'; old: it does something else",
    ]
    assert why(one_rule(tell), one_rule(tell, on='"idle_screen"')) == [
        "only old: 'rule 1'; new: it hears another event"
    ]
    assert why(
        one_rule(SYNC), compiled(policy(rule(1, '"poll"', SYNC), tables=TABLES.replace("5", "0")))
    ) == [
        "only old: 'rule 1'; new: held back: synchronizations_per_day is 0",
    ]
    truth = one_rule(tell, "not network.roaming or network.roaming and last.imei == imei")
    assert why(one_rule(tell), truth) == [
        ("only old: 'rule 1'; new: not (not network.roaming); not (network.roaming)")
    ]


def test_causes_of_timers() -> None:
    """Another period; a timer that was not due; what a synchronization brings with it."""
    daily, hourly = (
        compiled(policy(rule(1, '"timer"', SYNC, every=every), tables=TABLES))
        for every in ("1 d", "12 h")
    )
    ended = rule(2, '"synchronized"', '{ tell = "x" }')
    assert why(daily, hourly) == ["only new: 'rule 1'; old: every 24 h, new 12 h"]
    assert why(
        compiled(policy(rule(1, '"poll"', SYNC, "battery == 1"), ended)),
        compiled(policy(rule(1, '"poll"', SYNC, "battery == 2"), ended)),
    ) == [
        "only old: 'rule 1'; new: not (battery == 2)",
        "only old: 'rule 2'; new: nothing more was synchronized",
    ]
    started = [
        compiled(
            policy(
                rule(1, '"poll"', f'{{ timer = {{ again = "{after}" }} }}'),
                rule(2, '{ timer = "again" }', '{ tell = "x" }'),
            )
        )
        for after in ("1 h", "3 d")
    ]
    assert why(started[0], started[1], POLLS[:1] + POLLS[2:]) == [
        "only old: 'rule 2'; new: it was not due then"
    ]


def test_what_is_not_concerned() -> None:
    """A menu entry that is hidden concerns no rule."""
    hide = rule(2, '"poll"', '{ menu = { hide = "Go" } }')
    asked = rule(1, '{ menu = "Go" }', '{ tell = "x" }')
    recorded = lines({"event": "poll"}, {"event": "menu", "argument": 1})

    assert why(compiled(policy(asked)), compiled(policy(asked, hide)), recorded) == [
        "only old: 'rule 1'; new: it was not concerned"
    ]


def test_the_same_by_another_rule() -> None:
    """What another rule does instead is no difference; what is done twice is one."""
    first, second = rule(1, '"poll"', SYNC), rule(2, '"poll"', '{ tell = "x" }')
    renamed = compiled(policy(rule(3, '"poll"', SYNC), second))

    assert why(compiled(policy(first, second)), renamed) == []
    assert why(compiled(policy(first)), compiled(policy(first, second))) == [
        "only new: 'rule 2'; old: there is no such rule"
    ]


def test_time_goes_on_to_the_end_of_the_recording() -> None:
    """A card that hears nothing more has its timers until the last minute of all."""
    program = compiled(policy(rule(1, '"timer"', SYNC, every="1 d")))
    found = compare(program, program, POLLS)

    assert (found.old.load.synchronizations, found.old.active) == (3, 2)


def test_what_a_rule_costs() -> None:
    """Synchronizations with their kilobytes, messages, questions and texts."""
    text = '{ synchronize = "all", ask = "May we?", report = "sms", tell = "x" }'
    found = compare(one_rule(text), one_rule(text), POLLS[:1])

    assert found.old.load == Load(1, 4, 1, 1, 1)


EVENTS = st.fixed_dictionaries(
    {
        "card": st.sampled_from("abc"),
        "event": st.sampled_from(["poll", "idle_screen", "profile_download", "synchronized"]),
    },
    optional={
        "facts": st.fixed_dictionaries(
            {},
            optional={
                "battery": st.integers(0, 4),
                "imei": st.sampled_from(["1", "2"]),
                "network.technology": st.sampled_from(["LTE", "NR"]),
                "network.status": st.sampled_from(["NORMAL", "NO_SERVICE"]),
                "result.ok": st.booleans(),
            },
        )
    },
)
OTHERS = st.sampled_from(
    [
        {"event": "timer", "argument": 40},
        {"event": "timer", "argument": 2000},
        {"event": "menu", "argument": 1},
        {"event": "message", "argument": "now"},
        {"event": "application", "argument": AID},
    ]
)


@settings(max_examples=40, deadline=None)
@given(policies(), policies(), st.lists(EVENTS | OTHERS, max_size=12), st.booleans())
def test_each_side_is_a_trial_of_its_own(
    old: str, new: str, recorded: list[Fields], assume: bool
) -> None:
    """What a dry run says of a program is what the program does without the other one."""
    try:
        programs = compiled(old), compiled(new)
    except PolicyError:
        return
    heard = lines(*recorded)
    found = compare(*programs, heard, assume=assume)
    for side, program in zip((found.old, found.new), programs, strict=True):
        trial = Trial(program, assume_success=assume)
        decisions = [
            one for line in heard for _, outcome in trial.hear(line) for one in outcome.decisions
        ]
        orders = sum(isinstance(one, Synchronize) for one in decisions)
        assert side.load.synchronizations >= orders
        assert side.load.sms >= sum(isinstance(one, Report) and one.means == 3 for one in decisions)
    changed = sum(cause.change.synchronizations for cause in found.causes)

    assert changed == found.new.load.synchronizations - found.old.load.synchronizations
