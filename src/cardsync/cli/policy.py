"""`cardsync policy`: write, check, compile, bound, explain and try the operator's policy."""

import gc
import json
import sys
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cardsync.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cardsync.policy.decisions import Outcome
    from cardsync.policy.program import Program
    from cardsync.policy.recording import Line

app = typer.Typer(
    help="The operator's policy: docs/policy.md tells the language.", no_args_is_help=True
)

Octets = Annotated[int, typer.Option(help="Octets that a card has for a program.", min=1)]
Steps = Annotated[int, typer.Option(help="Steps of its machine for one event.", min=1)]
Ram = Annotated[int, typer.Option(help="Octets of its RAM.", min=1)]
Writes = Annotated[int, typer.Option(help="Writes of its memory a day.", min=1)]
Kilobytes = Annotated[int, typer.Option(help="Kilobytes a day that may be sent.", min=1)]
_A_POLICY = "A policy (TOML), or a compiled program."
Source = Annotated[Path, typer.Argument(help=_A_POLICY, metavar="FILE")]
Old = Annotated[Path, typer.Argument(help=_A_POLICY, metavar="OLD")]
New = Annotated[Path, typer.Argument(help=_A_POLICY, metavar="NEW")]
Events = Annotated[
    Path, typer.Option(help="What cards heard: one JSON object a line, see docs/policy.md.")
]


_Json = Annotated[bool, typer.Option("--json", help="Tell it as JSON.")]
_Skip = Annotated[
    bool, typer.Option("--skip-broken", help="Pass over events that cannot be read; say so.")
]
_ANY = (4096, 2000, 4096, 10**6, 10**6)


class Results(Enum):
    """Where it is taken from how synchronizations went."""

    AUTO = "auto"
    ASSUMED = "assumed"
    RECORDED = "recorded"


How = Annotated[
    Results,
    typer.Option(
        help="How synchronizations went: well and at once (assumed), as the events tell "
        "(recorded), or recorded where there is any event that tells it (auto)."
    ),
]


@app.command()
def check(
    files: Annotated[list[Path], typer.Argument(help="Policies, TOML.", metavar="FILE...")],
    octets: Octets = 2048,
    steps: Steps = 1000,
    ram: Ram = 1024,
    writes: Writes = 136,
    kilobytes: Kilobytes = 1024,
    *,
    as_json: _Json = False,
) -> None:
    """Check policies; tell every error with file, line and column, and end with status 2.

    Example: cardsync policy check examples/policies/fleet-inventory.toml
    """
    found: list[tuple[Path, Program | ConfigError]] = []
    for file in files:
        try:
            found.append((file, _program(file, octets, steps, ram, writes, kilobytes)))
        except ConfigError as exc:
            found.append((file, exc))
    if as_json:
        from cardsync.cli import policy_json  # noqa: PLC0415  # fast --help

        policy_json.show([policy_json.checked(*one) for one in found])
    else:
        for file, one in found:
            _tell(file, one)
    if any(isinstance(one, ConfigError) for _, one in found):
        raise typer.Exit(2)


def _tell(file: Path, found: "Program | ConfigError") -> None:
    if isinstance(found, ConfigError):
        print(found, file=sys.stderr)
    else:
        print(f"{file}: {_name(found)}, {len(found.encode())} octets, good")


@app.command("compile")
def compile_(
    file: Source,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Where the program goes; - prints it.")
    ] = None,
    *,
    as_hex: Annotated[
        bool, typer.Option("--hex", help="Write hexadecimal digits, as for a file *.hex.")
    ] = False,
    as_json: _Json = False,
    octets: Octets = 2048,
    steps: Steps = 1000,
    ram: Ram = 1024,
    writes: Writes = 136,
    kilobytes: Kilobytes = 1024,
) -> None:
    """Compile a policy to the program that a card runs; print its octets and its digest.

    Example: cardsync policy compile fleet.toml -o fleet.cp (octets; fleet.hex: digits; -: print)
    """
    program = _program(file, octets, steps, ram, writes, kilobytes)
    written = program.encode()
    if str(output) == "-":
        print(written.hex().upper())
        return
    if output is not None:
        digits = f"{written.hex().upper()}\n".encode()
        try:
            output.write_bytes(digits if as_hex or output.suffix == ".hex" else written)
        except OSError as exc:
            raise ConfigError(f"{output}: cannot be written: {exc.strerror}") from exc
    if as_json:
        from cardsync.cli import policy_json  # noqa: PLC0415  # fast --help

        policy_json.show(policy_json.program(program))
    else:
        print(f"{_name(program)}: {len(written)} octets, SHA-256 {program.digest().hex()}")


@app.command()
def bound(
    file: Source,
    octets: Octets = 2048,
    steps: Steps = 1000,
    ram: Ram = 1024,
    writes: Writes = 136,
    kilobytes: Kilobytes = 1024,
    *,
    as_json: _Json = False,
) -> None:
    """Print the worst case of each rule: octets, steps, memory, writes, SMS, kilobytes.

    Example: cardsync policy bound examples/policies/fleet-inventory.toml
    """
    from cardsync.cli import policy_json  # noqa: PLC0415  # fast --help
    from cardsync.policy import bound as bounds  # noqa: PLC0415

    found = bounds.bound(_program(file, octets, steps, ram, writes, kilobytes))
    if as_json:
        policy_json.show(policy_json.bound(found))
        return
    for line in bounds.table(found):
        print(line)


@app.command()
def explain(
    file: Source,
    events: Events,
    card: Annotated[str | None, typer.Option(help="Explain this card alone.")] = None,
    results: How = Results.AUTO,
    *,
    skip_broken: _Skip = False,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON object for each event.")] = False,
) -> None:
    """Tell for every event which rule fired, and of the others which comparison was false.

    Example: cardsync policy explain fleet.toml --events events.jsonl --card 8988000000000000001
    """
    from cardsync.cli.policy_files import PassedOver, read_recording  # noqa: PLC0415
    from cardsync.policy.trial import Trial  # noqa: PLC0415

    trial = Trial(_program(file), assume_success=_assumed(results, events))
    passed, known = PassedOver(), card is None
    for line in read_recording(events, passed=passed if skip_broken else None):
        if card in {None, line.card}:
            known = True
            told = trial.hear(line)
            _explain(line, trial.minute, told, as_json=as_json)
    passed.tell()
    if not known:
        raise ConfigError(f"{events}: there is no event of a card {card!r}")


def _explain(
    line: "Line", minute: int, told: "Sequence[tuple[int, Outcome]]", *, as_json: bool
) -> None:
    from cardsync.cli import policy_json  # noqa: PLC0415  # fast --help
    from cardsync.policy.explain import explain_one, show_decision, show_event  # noqa: PLC0415

    if as_json:
        found = policy_json.explained(line.card, minute, line.event, told)
        print(json.dumps(found, ensure_ascii=False))
        return
    for at, outcome in told:
        for reason in outcome.reasons:
            print(f"{line.card} {at:>7} {show_event(reason.event)}: {explain_one(reason)}")
        for decision in outcome.decisions:
            print(f"{line.card} {at:>7}   decided: {show_decision(decision)}")
    if not any(outcome.reasons for _, outcome in told):
        print(f"{line.card} {minute:>7} {show_event(line.event)}: no rule is for this")


@app.command("dry-run")
def dry_run(
    old: Old,
    new: New,
    events: Events,
    cards: Annotated[int, typer.Option(help="List so many of the cards that change.", min=0)] = 10,
    results: How = Results.AUTO,
    *,
    skip_broken: _Skip = False,
    as_json: _Json = False,
) -> None:
    """Run two policies over the events of many cards, and compare what they would have done.

    Example: cardsync policy dry-run fleet-7.toml fleet-8.toml --events events.jsonl

    `cardsync policy events` makes events to try it with.
    """
    from cardsync.cli import policy_report  # noqa: PLC0415  # fast --help
    from cardsync.cli.policy_files import PassedOver, Progress, read_recording  # noqa: PLC0415
    from cardsync.policy.dryrun import DryRun  # noqa: PLC0415

    programs = [_program(file) for file in (old, new)]
    run = DryRun(*programs, assume_success=_assumed(results, events))
    passed = PassedOver()
    gc.disable()  # of millions of values none refers to itself; this saves a tenth of the time
    try:
        progress = Progress(events.stat().st_size)
        for line in read_recording(events, progress, passed if skip_broken else None):
            run.hear(line)
        report = run.finish()
    finally:
        gc.enable()
    passed.tell()
    if as_json:
        print(json.dumps(policy_report.as_object(report), indent=2))
    else:
        for text in policy_report.lines(report, cards):
            print(text)


@app.command("events")
def make_events(
    cards: Annotated[int, typer.Option(help="Of so many cards.", min=1)] = 100,
    days: Annotated[int, typer.Option(help="Of so many days.", min=1, max=3650)] = 7,
    seed: Annotated[int, typer.Option(help="The same seed gives the same events.")] = 1,
) -> None:
    """Make events of a fleet to try policies on, one JSON object a line.

    Cards are switched on, travel, lose service, come into another phone; a user opens the menu
    or the operator sends a message now and then.

    Example: cardsync policy events --cards 10000 --days 7 --seed 1 > events.jsonl
    """
    from cardsync.cli.made_events import made_events  # noqa: PLC0415  # fast --help

    try:
        for chunk in made_events(cards, days, seed):
            sys.stdout.write(chunk)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever reads has enough, as `head` does
        sys.stderr.close()


def _program(file: Path, *limits: int) -> "Program":
    """Read a policy for a card with these limits, or with any that a program can need."""
    from cardsync.cli.policy_files import read_program  # noqa: PLC0415  # fast --help
    from cardsync.policy.bound import CardLimits  # noqa: PLC0415

    return read_program(file, CardLimits(*(limits or _ANY)))


def _name(program: "Program") -> str:
    return f"{program.name} {program.version}"


def _assumed(results: Results, events: Path) -> bool:
    """Say whether every synchronization is to succeed."""
    from cardsync.cli.policy_files import says_how_it_went  # noqa: PLC0415  # fast --help

    if results is Results.AUTO:
        return not says_how_it_went(events)
    return results is Results.ASSUMED
