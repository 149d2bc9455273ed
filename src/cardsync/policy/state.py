"""What the machine remembers: parameters, variables, counted minutes, counters of the day.

The card writes it as one record to its non-volatile memory. It carries its own names, so that
what survives a new version of the policy can be told without the old one.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Self, TypeVar

from cardsync.errors import PeerError
from cardsync.octets.reader import Reader
from cardsync.policy.faults import ProgramRefused
from cardsync.policy.program import Program, check_value
from cardsync.policy.values import ValueType

_FORMAT = 1
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Layout:
    """The names of what a state holds, in the order of the program that it belongs to."""

    parameters: tuple[tuple[str, ValueType], ...]
    variables: tuple[tuple[str, ValueType], ...]
    periods: tuple[str, ...]
    timers: tuple[str, ...]

    @classmethod
    def of(cls, program: Program) -> Self:
        """Give the layout of a program's state; periods are named by their rules."""
        return cls(
            tuple((parameter.name, parameter.type) for parameter in program.parameters),
            tuple((variable.name, variable.type) for variable in program.variables),
            tuple(rule.name for rule in program.rules if rule.every is not None),
            program.timers,
        )


@dataclass(frozen=True, slots=True)
class MachineState:
    """The memory of a machine.

    `changed` says which parameters were changed over the air; `elapsed` are the minutes counted
    towards each period, `remaining` those until each named timer ends (0: it does not run);
    `minutes` are those of the day so far, `hidden` has bit 0 for the first menu entry.
    """

    layout: Layout
    parameters: tuple[int | str, ...]
    changed: tuple[bool, ...]
    variables: tuple[int, ...]
    elapsed: tuple[int, ...]
    remaining: tuple[int, ...]
    minutes: int = 0
    synchronizations: int = 0
    sms: int = 0
    hidden: int = 0

    @classmethod
    def initial(cls, program: Program) -> Self:
        """Give the state with which a program begins."""
        layout = Layout.of(program)
        return cls(
            layout,
            tuple(parameter.default for parameter in program.parameters),
            (False,) * len(program.parameters),
            tuple(variable.default for variable in program.variables),
            (0,) * len(layout.periods),
            (0,) * len(layout.timers),
        )

    def carried_to(self, program: Program) -> "MachineState":
        """Give the state with which a new version of a program begins.

        A variable keeps its value, a parameter what it was changed to over the air, where the
        new program has one of the same name and type that may have this value; periods and
        timers of the same name keep their minutes; the counters of the day go on.
        """
        new = MachineState.initial(program)
        known = dict(zip(self.layout.variables, self.variables, strict=True))
        variables = tuple(
            known.get(key, value)
            for key, value in zip(new.layout.variables, new.variables, strict=True)
        )
        kept = replace(
            new,
            variables=variables,
            elapsed=_kept(self.layout.periods, self.elapsed, new.layout.periods),
            remaining=_kept(self.layout.timers, self.remaining, new.layout.timers),
            minutes=self.minutes,
            synchronizations=self.synchronizations,
            sms=self.sms,
        )
        for key, value, changed in zip(
            self.layout.parameters, self.parameters, self.changed, strict=True
        ):
            if changed and key in new.layout.parameters:
                with suppress(ValueError):  # the new program may be stricter
                    kept = kept.with_value(program, key[0], value)
        return kept

    def with_value(self, program: Program, name: str, value: int | str) -> "MachineState":
        """Change a parameter; `ValueError` if the program cannot be run with this value."""
        names = [parameter.name for parameter in program.parameters]
        place = names.index(name)
        check_value(program, program.parameters[place], value)
        parameters = with_item(self.parameters, place, value)
        for misfit in program.misfits(dict(zip(names, parameters, strict=True))):
            raise ValueError(f"{misfit.owner!r}: {misfit}")
        return replace(self, parameters=parameters, changed=with_item(self.changed, place, True))

    def encode(self) -> bytes:
        """Give the octets for the card's memory."""
        head = bytes([_FORMAT]) + self.minutes.to_bytes(2, "big")
        head += bytes([self.synchronizations, self.sms]) + self.hidden.to_bytes(2, "big")
        parameters = bytes([len(self.parameters)])
        for (name, kind), value, changed in zip(
            self.layout.parameters, self.parameters, self.changed, strict=True
        ):
            parameters += _name(name) + bytes([kind, changed])
            parameters += _name(value) if isinstance(value, str) else value.to_bytes(2, "big")
        variables = bytes([len(self.variables)])
        for (name, kind), number in zip(self.layout.variables, self.variables, strict=True):
            variables += _name(name) + bytes([kind]) + number.to_bytes(2, "big")
        periods = _counted(self.layout.periods, self.elapsed)
        return (
            head + parameters + variables + periods + _counted(self.layout.timers, self.remaining)
        )

    @classmethod
    def decode(cls, octets: bytes) -> Self:
        """Read what `encode` wrote; raise `ProgramRefused` for anything else."""
        try:
            state = cls._read(Reader(octets))
        except (ValueError, PeerError) as exc:
            raise ProgramRefused(f"state refused: {exc}") from exc
        if state.encode() != octets:
            raise ProgramRefused("state refused: it is not written in the one way it should be")
        return state

    @classmethod
    def _read(cls, reader: Reader) -> Self:
        if reader.uint8() != _FORMAT:
            raise ValueError(f"it is not of format {_FORMAT}")
        minutes, synchronizations, sms = reader.uint16(), reader.uint8(), reader.uint8()
        hidden = reader.uint16()
        parameters = tuple(_read_parameter(reader) for _ in range(reader.uint8()))
        variables = tuple(
            ((_read_name(reader), ValueType(reader.uint8())), reader.uint16())
            for _ in range(reader.uint8())
        )
        periods, elapsed = _read_counted(reader)
        timers, remaining = _read_counted(reader)
        reader.finish()
        return cls(
            Layout(
                tuple(key for key, _, _ in parameters),
                tuple(key for key, _ in variables),
                periods,
                timers,
            ),
            tuple(value for _, value, _ in parameters),
            tuple(changed for _, _, changed in parameters),
            tuple(value for _, value in variables),
            elapsed,
            remaining,
            minutes,
            synchronizations,
            sms,
            hidden,
        )


def with_item(items: tuple[_T, ...], place: int, value: _T) -> tuple[_T, ...]:
    """Give the items with another one at a place."""
    return (*items[:place], value, *items[place + 1 :])


def _kept(names: Sequence[str], counted: Sequence[int], wanted: Sequence[str]) -> tuple[int, ...]:
    """Give the minutes counted under the wanted names, 0 for new ones."""
    known = dict(zip(names, counted, strict=True))
    return tuple(known.get(name, 0) for name in wanted)


def _name(text: str) -> bytes:
    octets = text.encode()
    return bytes([len(octets)]) + octets


def _counted(names: Sequence[str], counted: Sequence[int]) -> bytes:
    pairs = zip(names, counted, strict=True)
    return bytes([len(names)]) + b"".join(
        _name(name) + number.to_bytes(2, "big") for name, number in pairs
    )


def _read_name(reader: Reader) -> str:
    return reader.octets(reader.uint8()).decode()


def _read_counted(reader: Reader) -> tuple[tuple[str, ...], tuple[int, ...]]:
    pairs = [(_read_name(reader), reader.uint16()) for _ in range(reader.uint8())]
    return tuple(name for name, _ in pairs), tuple(number for _, number in pairs)


def _read_parameter(reader: Reader) -> tuple[tuple[str, ValueType], int | str, bool]:
    name, kind, changed = _read_name(reader), ValueType(reader.uint8()), bool(reader.uint8())
    value = _read_name(reader) if kind is ValueType.TEXT else reader.uint16()
    return (name, kind), value, changed
