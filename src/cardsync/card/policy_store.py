"""The policy in the memory of the card: its program and what its machine remembers."""

from cardsync.card.memory import Memory
from cardsync.errors import PeerError
from cardsync.octets.apdu import SW
from cardsync.policy.machine import Machine
from cardsync.policy.program import Program
from cardsync.policy.sizes import resolve
from cardsync.policy.state import MachineState
from cardsync.policy.values import ResolvedRequest

_PROGRAM, _STATE = "app:program", "app:state"


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

    def load(self, octets: bytes) -> None:
        """Take a program; what the old one's variables held goes on where both have them."""
        program, before = Program.decode(octets), self.machine
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
