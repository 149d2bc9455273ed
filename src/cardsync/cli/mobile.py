"""`cardsync mobile`: a terminal with its card and its network, as a process of the demo.

Its settings, a secret among them, come as one JSON line on standard input, so that they stand
in no process list. Further lines are what its user does: `on`, `choose 1` (an item of the card's
menu), `language fr`. It tells what happens on standard output, one JSON object a line.
"""

import asyncio
import signal
import sys
from dataclasses import asdict
from pathlib import Path

from cardsync.cli import lines
from cardsync.errors import ConfigError


def mobile() -> None:
    """Run a simulated mobile for `cardsync demo`; settings come on standard input."""
    # The demo ends us by SIGTERM; an interrupt at the keyboard goes to the whole group and is its.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    asyncio.run(_run())


async def _run() -> None:
    from cardsync.fleet.mobile import Mobile, MobileConfig  # noqa: PLC0415  # fast --help

    loop, stop, reader = asyncio.get_running_loop(), asyncio.Event(), asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    settings = lines.read((await reader.readline()).decode())
    try:
        config = MobileConfig(**{**settings, "home": Path(str(settings["home"]))})
    except (KeyError, TypeError) as exc:
        raise ConfigError(f"settings of the mobile: {exc}") from exc
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    device = Mobile(
        config,
        lambda step: lines.write("step", asdict(step)),
        lambda done: lines.write("synchronized", asdict(done)),
    )
    await device.run(
        stop, reader.readline, listening=lambda port: lines.write("listening", {"port": port})
    )
