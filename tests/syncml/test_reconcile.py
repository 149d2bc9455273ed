"""The truth table of reconciliation."""

import pytest

from cardsync.syncml.datastore import Change, ChangeKind, Rule
from cardsync.syncml.reconcile import Decision, reconcile

ADD, REPLACE, DELETE, MERGE, *_ = ChangeKind
OURS = Change(REPLACE, "g", b"ours", "l", "7")
THEIRS = Change(REPLACE, "", b"theirs", "l")
GONE_HERE = Change(DELETE, "g", None, "l", "7")
GONE_THERE = Change(DELETE, "", None, "l")


class Judge:
    """A judge of one rule; it merges what is in `merged`."""

    def __init__(self, rule: Rule, merged: bytes | None = None, *, newer: bool = False) -> None:
        self.rule = rule
        self._merged = merged
        self._newer = newer

    def merge(self, ours: bytes, theirs: bytes) -> bytes | None:
        """Merge as was said."""
        assert (ours, theirs) == (b"ours", b"theirs")
        return self._merged

    def newer(self, ours: Change, theirs: Change) -> bool:
        """Compare as was said."""
        assert ours != theirs
        return self._newer


def decide(theirs: Change, ours: Change | None, judge: Judge) -> Decision:
    """Decide one change."""
    (decision,) = reconcile([theirs], [ours], judge)
    return decision


@pytest.mark.parametrize("rule", Rule)
def test_what_we_did_not_change_is_the_clients(rule: Rule) -> None:
    """Without a change of ours there is no conflict, whatever the rule."""
    decisions = reconcile([THEIRS, GONE_THERE], [None, None], Judge(rule))

    assert (Decision((THEIRS,)), Decision((GONE_THERE,))) == decisions


@pytest.mark.parametrize("rule", Rule)
def test_equal_changes_are_no_conflict(rule: Rule) -> None:
    """Equal content joins the two names; a deletion on both sides is one."""
    same = Change(ADD, "", b"ours", "new")

    assert Decision((Change(REPLACE, "g", b"ours", "new"),)) == decide(same, OURS, Judge(rule))
    assert Decision((Change(DELETE, "g", None, "l"),)) == decide(GONE_THERE, GONE_HERE, Judge(rule))


@pytest.mark.parametrize("rule", Rule)
def test_a_merge_goes_before_every_rule(rule: Rule) -> None:
    """The merged version is told to the client as ours: 207. Requirement O-9."""
    merged = Change(MERGE, "g", b"both", "l")

    assert Decision((merged,), 207) == decide(THEIRS, OURS, Judge(rule, b"both"))


def test_a_merge_that_is_theirs_need_not_be_told() -> None:
    """Where the merge gives the client's own version, the client has it already."""
    taken = Change(REPLACE, "g", b"theirs", "l")

    assert Decision((taken,)) == decide(THEIRS, OURS, Judge(Rule.CLIENT_WINS, b"theirs"))


TAKEN = Change(REPLACE, "g", b"theirs", "l")
TOLD = Change(MERGE, "g", b"ours", "l")
TOLD_ANEW = Change(MERGE, "g", b"ours", None)
DELETED = Change(DELETE, "g", None, "l")
ADDED = Change(MERGE, "", b"ours")


@pytest.mark.parametrize(
    ("rule", "theirs", "ours", "decision"),
    [
        (Rule.CLIENT_WINS, THEIRS, OURS, Decision((TAKEN,), 208, OURS)),
        (Rule.SERVER_WINS, THEIRS, OURS, Decision((TOLD,), 419, THEIRS)),
        (Rule.DUPLICATE, THEIRS, OURS, Decision((ADDED, TAKEN), 209)),
        (Rule.CLIENT_WINS, THEIRS, GONE_HERE, Decision((TAKEN,), 208)),
        (Rule.SERVER_WINS, THEIRS, GONE_HERE, Decision((), 419, THEIRS)),
        (Rule.DUPLICATE, THEIRS, GONE_HERE, Decision((TAKEN,), 208)),
        (Rule.CLIENT_WINS, GONE_THERE, OURS, Decision((DELETED,), 208, OURS)),
        (Rule.SERVER_WINS, GONE_THERE, OURS, Decision((TOLD_ANEW,), 419)),
        (Rule.DUPLICATE, GONE_THERE, OURS, Decision((TOLD_ANEW,), 419)),
    ],
)
def test_the_rule_settles_a_conflict(
    rule: Rule, theirs: Change, ours: Change, decision: Decision
) -> None:
    """Each cell of the table; what was overruled is in the decision. Requirement O-9."""
    assert decision == decide(theirs, ours, Judge(rule))


@pytest.mark.parametrize(("newer", "code"), [(True, 419), (False, 208)])
def test_newest_is_one_of_the_sides(newer: bool, code: int) -> None:
    """The rule NEWEST asks the datastore which version is the newer one."""
    assert code == decide(THEIRS, OURS, Judge(Rule.NEWEST, newer=newer)).code
