"""Reasons in plain words, one line each."""

from collections.abc import Iterable, Iterator

from cardsync.policy.decisions import Reason
from cardsync.policy.facts import Event
from cardsync.policy.quantities import show_minutes
from cardsync.policy.values import EventKind


def explain(reasons: Iterable[Reason]) -> Iterator[str]:
    """Give a line for each reason: `regular did not fire: network.roaming was true (...)`."""
    for reason in reasons:
        yield f"{show_event(reason.event)}: {explain_one(reason)}"


def explain_one(reason: Reason) -> str:
    """Give the line of one reason without its event."""
    told = [str(comparison) for comparison in reason.comparisons] + list(reason.notes)
    verdict = f"{reason.rule} {'fired' if reason.fired else 'did not fire'}"
    return f"{verdict}: {'; '.join(told)}" if told else verdict


def show_event(event: Event) -> str:
    """Name an event with its argument."""
    name, argument = event.kind.name.lower(), event.argument
    if argument is None:
        return name
    if event.kind is EventKind.TIMER and isinstance(argument, int):
        return f"{name} after {show_minutes(argument)}"
    if isinstance(argument, bytes):
        is_aid = event.kind is EventKind.APPLICATION
        return f"{name} {argument.hex().upper() if is_aid else argument.decode(errors='replace')}"
    return f"{name} {argument}"
