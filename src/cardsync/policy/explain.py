"""Reasons in plain words, one line each."""

from collections.abc import Iterable, Iterator

from cardsync.policy.decisions import (
    Browse,
    Decision,
    Reason,
    Report,
    SetMenu,
    StartTimer,
    Synchronize,
    Tell,
)
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


def show_decision(decision: Decision) -> str:
    """Name what is to be done."""
    match decision:
        case Synchronize(request, ask):
            text = f"synchronize {request.name} with {request.target.device}"
            text += f", after asking {ask!r}" if ask else ""
        case Tell(told):
            text = f"tell {told!r}"
        case Report(means):
            text = f"report by {means.name}"
        case Browse(url):
            text = f"open {url}"
        case StartTimer(name, minutes):
            text = f"timer {name} in {show_minutes(minutes)}" if minutes else f"stop timer {name}"
        case SetMenu(items):
            text = "menu " + ", ".join([repr(item) for _, item in items])
    return text
