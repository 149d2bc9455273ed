"""Which message centre an ESME binds to, and by which name."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class MessageCentre:
    """Where to bind, and our `number`, to which answers go.

    `rate` is short messages a second at most.
    """

    host: str
    port: int
    system_id: str
    password: str = field(repr=False)
    number: str
    rate: float = 1000.0
