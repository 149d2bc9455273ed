"""The policy in the memory of the card: its program and what its machine remembers."""

from cardsync.card.memory import Memory
from cardsync.errors import PeerError
from cardsync.octets import text
from cardsync.octets.apdu import SW
from cardsync.ota.install import ToolkitParameters
from cardsync.policy.machine import Machine
from cardsync.policy.program import Program
from cardsync.policy.sizes import resolve
from cardsync.policy.state import MachineState
from cardsync.policy.values import ResolvedRequest

_PROGRAM, _STATE, _GRANTED = "app:program", "app:state", "app:granted"
_TIMERS = 2  # of the terminal, which the application uses for whatever policy


class PolicyStore:
    """Program and state, each a cell."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._prepared: tuple[bytes, bytes, Machine] | None = None

    @property
    def machine(self) -> Machine | None:
        """The machine over what is in memory, made anew only if that has changed."""
        program, state = self._memory.read(_PROGRAM), self._memory.read(_STATE)
        if not program:
            return None
        if self._prepared is None or self._prepared[0] != program:
            machine = Machine(Program.decode(program), MachineState.decode(state))
            self._prepared = (program, state, machine)
        elif self._prepared[1] != state:
            machine = self._prepared[2].at(MachineState.decode(state))
            self._prepared = (program, state, machine)
        return self._prepared[2]

    def grant(self, granted: ToolkitParameters) -> None:
        """Keep what INSTALL granted. TS 102 226 clause 8.2.1.3.2.2."""
        self._memory.write(_GRANTED, granted.encode())

    def _check_granted(self, program: Program) -> None:
        """Raise `PeerError` (6985) if a program needs more of the terminal than was granted."""
        octets = self._memory.read(_GRANTED)
        if not octets:
            return
        granted = ToolkitParameters.decode(octets)
        texts = [len(text.encode_alpha(one)) for item in program.menu for one in item.all]
        for what, needed, most in (
            ("timers", _TIMERS, granted.timers),
            ("menu entries", len(program.menu), len(granted.menu_entries)),
            ("octets of a menu entry", max(texts, default=0), granted.menu_text),
        ):
            if needed > most:
                raise PeerError(
                    f"INSTALL granted {most} {what}, the policy needs {needed}",
                    answer=SW.CONDITIONS_NOT_SATISFIED,
                )

    def load(self, octets: bytes) -> None:
        """Take a program; what the old one's variables held goes on where both have them."""
        program, before = Program.decode(octets), self.machine
        self._check_granted(program)
        state = before.state.carried_to(program) if before else MachineState.initial(program)
        self._memory.write(_PROGRAM, octets)
        self.keep(state)

    def set_parameter(self, name: str, text: str) -> None:
        """Change a parameter; raise `PeerError` if there is no policy or it does not allow it."""
        machine = self.machine
        if machine is None:
            raise PeerError("there is no policy yet", answer=SW.CONDITIONS_NOT_SATISFIED)
        self.keep(machine.with_parameter(name, text))

    def keep(self, state: MachineState) -> None:
        """Write what the machine remembers."""
        self._memory.write(_STATE, state.encode())

    def digest(self) -> bytes:
        """Give the beginning of the program's hash, nothing where there is none."""
        machine = self.machine
        return machine.program.digest()[:8] if machine else b""

    def request(self, name: str) -> ResolvedRequest | None:
        """Give a request with the parameters as they are now; None if there is none."""
        machine = self.machine
        if machine is None:
            return None
        names = [parameter.name for parameter in machine.program.parameters]
        values = dict(zip(names, machine.state.parameters, strict=True))
        for request in machine.program.requests:
            if request.name == name:
                return resolve(request, values)
        return None
