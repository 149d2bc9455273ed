"""The operator as one process: database, SyncML endpoint, pages, and what else shall run.

It starts in the order database, schema, HTTP, and ends in the reverse order on SIGTERM or SIGINT:
no new connection, what is under way is finished, the rest is ended, the database is left or, if
nobody else uses it, stopped. A SIGKILL leaves the database running; the next start joins it.
"""

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psycopg
import uvicorn
import uvloop

from cardsync.errors import ConfigError
from cardsync.operator.app import PAGE_PATH, SYNCML_PATH, App
from cardsync.operator.arrivals import Arrivals
from cardsync.operator.patience import PatientProtocol
from cardsync.operator.store.cards import Cards
from cardsync.operator.store.database import Database
from cardsync.operator.store.embedded import EmbeddedPostgres
from cardsync.operator.store.seal import MasterKey
from cardsync.operator.synchronization import Synchronization
from cardsync.syncml import auth
from cardsync.transport.certificate import Certificate
from cardsync.transport.doors import Doors, opened

WATCH_SECONDS = 0.2
"""How often the embedded database is looked after."""
AGAIN_SECONDS = 2.0
"""After which one that could not be started is tried again."""
GRACE_SECONDS = 10
"""How long requests under way may take when the server ends."""

_LOG = logging.getLogger(__name__)


NO_DOORS = Doors()


@dataclass(frozen=True, slots=True)
class OperatorConfig:
    """Where the operator keeps its things and listens.

    `home` holds the master key and the embedded database; root chooses it where an unprivileged
    account may enter, such as /var/lib/cardsync. `port` 0 takes any free one. `dsn` names a
    PostgreSQL of one's own instead of the embedded one, `binaries` a folder of its programs.
    """

    home: Path
    host: str = "127.0.0.1"
    port: int = 8470
    dsn: str | None = None
    binaries: Path | None = None
    descriptor: int | None = None
    """A listening socket that whoever started us has made; it stands in place of the port."""
    doors: Doors = NO_DOORS
    """Where WSP and OBEX listen, which have no TLS."""
    certificate: Certificate | None = None
    """With it HTTP is HTTPS."""
    account: auth.Account | None = None
    """What we show of ourselves to users without a card."""


@dataclass(frozen=True, slots=True)
class Operator:
    """What runs, for those who run beside it."""

    database: Database
    cards: Cards
    url: str
    """Of the pages, such as "http://127.0.0.1:8470/"."""
    doors: Mapping[str, str] = field(default_factory=dict)
    """Where devices send their messages by other carriers."""

    @property
    def syncml_url(self) -> str:
        """Where devices send their messages."""
        return self.url.rstrip("/") + SYNCML_PATH

    @property
    def page_url(self) -> str:
        """Where a card's browser rung leads, without its token."""
        return self.url.rstrip("/") + PAGE_PATH


Background = Callable[[Operator], Coroutine[Any, Any, None]]
"""Something that runs as long as the server does; it is cancelled at the end."""


@contextlib.contextmanager
def storage(
    config: OperatorConfig,
) -> Iterator[tuple[Database, Cards, EmbeddedPostgres | None]]:
    """Open what the operator keeps, with its own database unless another one is named.

    The embedded one is joined where it runs, and stopped at the end if nobody else uses it.
    """
    with contextlib.ExitStack() as stack:
        embedded, dsn = None, config.dsn
        if dsn is None:
            embedded = EmbeddedPostgres(config.home / "postgres", binaries=config.binaries)
            stack.callback(embedded.stop)
            dsn = embedded.start()
        database = stack.enter_context(Database(dsn))
        yield database, Cards(database, MasterKey.open(config.home / "master.key")), embedded


def run(
    config: OperatorConfig,
    ready: Callable[[Operator], None] = lambda _: None,
    background: Sequence[Background] = (),
) -> None:
    """Run the operator until SIGTERM or SIGINT; `ready` is called when it serves.

    Raises `ConfigError` for what cannot be used, and what a `background` raises: one that ends
    ends nothing, one that fails ends the server in order.
    """
    if config.certificate is not None:
        config.certificate.context()
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(_listen(config))
        database, cards, embedded = stack.enter_context(storage(config))
        operator = Operator(database, cards, _url(listener, config.certificate))
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(operator, config, listener, embedded, ready, background))


class _Server(uvicorn.Server):
    """Leaves the signals to us, and says when it serves."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # Its own handling raises the signal again at the end, before the database is stopped.
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    def stop(self) -> None:
        """End in order; at once when asked twice."""
        self.force_exit = self.should_exit
        self.should_exit = True


def _application(operator: Operator, account: auth.Account | None) -> App:
    database, cards = operator.database, operator.cards
    synchronization = Synchronization(database, cards, account=account)
    return App(database, synchronization, Arrivals(database, cards))


async def _serve(
    operator: Operator,
    config: OperatorConfig,
    listener: socket.socket,
    embedded: EmbeddedPostgres | None,
    ready: Callable[[Operator], None],
    background: Sequence[Background],
) -> None:
    application = _application(operator, config.account)
    async with opened(config.doors, SYNCML_PATH, application.endpoint.answer) as urls:
        operator = replace(operator, doors=urls)
        server = _Server(_uvicorn(application, config.certificate), lambda: ready(operator))
        await _run(server, operator, listener, embedded, background)


def _uvicorn(application: App, certificate: Certificate | None) -> uvicorn.Config:
    return uvicorn.Config(
        application,
        http=PatientProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        limit_concurrency=500,
        timeout_keep_alive=20,
        timeout_graceful_shutdown=GRACE_SECONDS,
        ssl_certfile=None if certificate is None else certificate.chain,
        ssl_keyfile=None if certificate is None else certificate.key,
    )


async def _run(
    server: _Server,
    operator: Operator,
    listener: socket.socket,
    embedded: EmbeddedPostgres | None,
    background: Sequence[Background],
) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, server.stop)
    beside = [asyncio.create_task(start(operator)) for start in background]
    if embedded is not None:
        beside.append(asyncio.create_task(_watch(embedded)))
    for task in beside:
        task.add_done_callback(lambda done: _end_if_failed(server, done))
    try:
        await server.serve(sockets=[listener])
    finally:
        for task in beside:
            task.cancel()
        ended = await asyncio.gather(*beside, return_exceptions=True)
    for failure in ended:
        if isinstance(failure, Exception):
            raise failure


def _end_if_failed(server: _Server, task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and task.exception() is not None:
        server.stop()


async def _watch(embedded: EmbeddedPostgres) -> None:
    """Start the database again where it was killed."""
    while True:
        await asyncio.sleep(WATCH_SECONDS)
        if not await asyncio.to_thread(embedded.alive):
            _LOG.warning("the database has died and is started again")
            try:
                await asyncio.to_thread(embedded.start)
            except (ConfigError, OSError, psycopg.Error) as error:
                _LOG.warning("%s", error)
                await asyncio.sleep(AGAIN_SECONDS)


def _listen(config: OperatorConfig) -> socket.socket:
    if config.descriptor is not None:
        inherited = socket.socket(fileno=config.descriptor)
        inherited.set_inheritable(False)
        return inherited
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    try:
        return socket.create_server((config.host, config.port), family=family, backlog=512)
    except (OSError, OverflowError) as error:
        raise ConfigError(
            f"the operator cannot listen on {config.host} port {config.port}: {error}; "
            "choose another port, or 0 for any that is free"
        ) from error


def _url(listener: socket.socket, certificate: Certificate | None) -> str:
    scheme = "http" if certificate is None else "https"
    host, port = listener.getsockname()[:2]
    if host in {"0.0.0.0", "::"}:  # noqa: S104 - compared, not bound
        host = "127.0.0.1"
    return f"{scheme}://[{host}]:{port}/" if ":" in host else f"{scheme}://{host}:{port}/"
