"""The report of a dry run, for a person and for a program."""

from collections.abc import Iterator
from typing import Any

from cardsync.policy.dryrun import ChangedCard, Load, Report

_ROWS = (
    ("synchronizations", "synchronizations"),
    ("SMS", "sms"),
    ("KB", "kilobytes"),
    ("questions to the user", "questions"),
    ("texts to the user", "texts"),
)
_CAUSES = 20  # that are told to a person


def lines(report: Report, cards: int) -> Iterator[str]:
    """Tell a person; list at most so many cards."""
    yield f"{report.old.name} (old) and {report.new.name} (new)"
    how = "every synchronization succeeds at once" if report.assume_success else "as recorded"
    yield f"{report.events} events of {report.cards} cards in {report.days:.1f} days; {how}"
    yield ""
    yield from _table(report)
    yield ""
    yield "rules that fired"
    names = dict.fromkeys((*report.old.fired, *report.new.fired))
    for name in names:
        yield _row(f"  {name}", report.old.fired.get(name), report.new.fired.get(name))
    yield ""
    yield "what the policies say differently"
    yield from (f"  {one}" for one in report.differences or ("nothing",))
    yield ""
    yield "what changed, and why"
    for cause in report.causes[:_CAUSES]:
        yield f"  {_change(cause.change)}; {len(cause.cards)} cards; {cause.why}"
        yield f"    for example {cause.example}"
    if len(report.causes) > _CAUSES:
        yield f"  and {len(report.causes) - _CAUSES} other causes; --json has them"
    if not report.causes:
        yield "  nothing"
    yield ""
    yield f"{len(report.changed)} of {report.cards} cards change"
    for one in report.changed[:cards]:
        yield f"  {one.card}: {_difference(one)}; first at minute {one.minute}, {one.why}"
    if len(report.changed) > cards:
        yield f"  and {len(report.changed) - cards} other cards; --cards N lists more"


def as_object(report: Report) -> dict[str, Any]:
    """Tell a program: everything, each card that changes too."""
    return {
        "events": report.events,
        "cards": report.cards,
        "days": round(report.days, 3),
        "assume_success": report.assume_success,
        "old": _side(report, "old"),
        "new": _side(report, "new"),
        "differences": list(report.differences),
        "causes": [
            {
                "change": cause.change._asdict(),
                "events": cause.events,
                "cards": len(cause.cards),
                "why": cause.why,
                "example": cause.example,
            }
            for cause in report.causes
        ],
        "changed": [
            {
                "card": one.card,
                "old": one.old._asdict(),
                "new": one.new._asdict(),
                "minute": one.minute,
                "why": one.why,
            }
            for one in report.changed
        ],
    }


def _side(report: Report, word: str) -> dict[str, Any]:
    side = report.old if word == "old" else report.new
    return {
        "policy": side.name,
        "total": side.load._asdict(),
        "per_day": {name: round(n / report.days, 3) for name, n in side.load._asdict().items()},
        "cards": side.active,
        "fired": side.fired,
    }


def _table(report: Report) -> Iterator[str]:
    yield f"{'':40}{'old':>12}{'new':>12}{'difference':>12}"
    for title, field in _ROWS:
        old, new = getattr(report.old.load, field), getattr(report.new.load, field)
        yield _row(title, old, new)
        if old or new:
            yield _row("  a day", old / report.days, new / report.days)
    yield _row("cards that were synchronized", report.old.active, report.new.active)


def _row(title: str, old: float | None, new: float | None) -> str:
    change = "" if old is None or new is None else _signed(new - old)
    return f"{title:40}{_figure(old):>12}{_figure(new):>12}{change:>12}"


def _figure(number: float | None) -> str:
    if number is None:
        return "-"
    return f"{number:.1f}" if isinstance(number, float) else str(number)


def _signed(number: float) -> str:
    return f"{number:+.1f}" if isinstance(number, float) else f"{number:+d}"


def _change(load: Load) -> str:
    told = [f"{getattr(load, field):+d} {title}" for title, field in _ROWS if getattr(load, field)]
    return ", ".join(told) or "+0"


def _difference(one: ChangedCard) -> str:
    told = []
    for title, field in _ROWS:
        old, new = getattr(one.old, field), getattr(one.new, field)
        if old != new:
            told.append(f"{title} {old} -> {new}")
    return ", ".join(told) or "the same, at other times"
