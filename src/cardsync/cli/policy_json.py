"""What `cardsync policy` tells a program: JSON in place of tables and sentences."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cardsync.errors import ConfigError
from cardsync.policy.bound import Bound
from cardsync.policy.decisions import Outcome
from cardsync.policy.explain import explain_one, show_decision, show_event
from cardsync.policy.facts import Event
from cardsync.policy.faults import Fault, PolicyError
from cardsync.policy.program import Program


def show(told: object) -> None:
    """Print one object on several lines."""
    print(json.dumps(told, indent=2, ensure_ascii=False))


def program(found: Program) -> dict[str, Any]:
    """Tell which program it is."""
    octets = len(found.encode())
    return {
        "policy": found.name,
        "version": found.version,
        "octets": octets,
        "sha256": found.digest().hex(),
    }


def checked(file: Path, found: Program | ConfigError) -> dict[str, Any]:
    """Tell whether a policy is good; if it is not, all that is wrong with it."""
    if isinstance(found, Program):
        return {"file": str(file), "good": True, **program(found), "faults": []}
    faults: list[dict[str, Any]] = [{"what": str(found)}]
    if isinstance(found, PolicyError):
        faults = [_fault(one) for one in found.faults]
    return {"file": str(file), "good": False, "faults": faults}


def _fault(fault: Fault) -> dict[str, Any]:
    where = fault.where
    return {
        "line": where.line,
        "column": where.column,
        "key": where.key,
        "what": fault.what,
        "expected": fault.expected,
    }


def bound(found: Bound) -> dict[str, Any]:
    """Tell the worst case of a program and of each rule."""
    return asdict(found) | {"years": round(found.years, 1)}


def explained(
    card: str, minute: int, event: Event, told: Iterable[tuple[int, Outcome]]
) -> dict[str, Any]:
    """Tell what one event led to, with the synchronizations that it started, in one object."""
    outcomes = [
        {
            "minute": at,
            "reasons": [
                {
                    "event": show_event(reason.event),
                    "rule": reason.rule,
                    "fired": reason.fired,
                    "why": explain_one(reason),
                }
                for reason in outcome.reasons
            ],
            "decisions": [show_decision(one) for one in outcome.decisions],
        }
        for at, outcome in told
    ]
    return {"card": card, "minute": minute, "event": show_event(event), "outcomes": outcomes}
