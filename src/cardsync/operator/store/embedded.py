"""The operator's own PostgreSQL: made, started, joined and stopped by us, on a Unix socket only.

One instance lives in one folder, its *home*:

    home/lock       held while somebody starts or stops the server
    home/holders    a shared lock on it says "I use the server"; the kernel drops it when we die
    home/pgpass     the password, for libpq, 0600; it appears nowhere else
    home/data       the data directory, owned by the account that runs the server
    home/socket     the Unix socket
    home/log        what the server says; never statements or their values

The server runs in a session of its own and survives our SIGKILL; the next start joins it. It is
alive when a login works, nothing less: a process number may belong to a zombie or to a stranger.
"""

import contextlib
import fcntl
import os
import re
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg

from cardsync.errors import ConfigError
from cardsync.operator.store import processes
from cardsync.operator.store.binaries import Account, find

NAME = "cardsync"
"""The server's only role, and the database."""

SETTINGS = {
    "listen_addresses": "",
    "max_connections": "60",
    "jit": "off",  # our statements are short
    "timezone": "UTC",
    "log_timezone": "UTC",
    # Statements and row contents are the subscriber's: they stay out of the log.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}
LOG_LIMIT = 4 << 20
SOCKET_LIMIT = 107  # sun_path of unix(7), without its closing zero
SOCKET_FILE = ".s.PGSQL.5432"
TICK = 0.02


class EmbeddedPostgres:
    """One user of the server in `home`; several processes may be users at the same time.

    `binaries` is a folder to prefer; `patience` in seconds bounds each wait (crash recovery of a
    large database takes its time). For root, `home` must lie where an unprivileged account may
    enter, such as /var/lib/cardsync.
    """

    def __init__(
        self, home: Path, *, binaries: Path | None = None, patience: float = 300.0
    ) -> None:
        self.home = home.absolute()
        self._configured = binaries
        self._patience = patience
        self._holder: int | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._data = self.home / "data"
        self._socket = self.home / "socket"
        self._pgpass = self.home / "pgpass"

    @property
    def dsn(self) -> str:
        """How to connect; it names the password's file and does not contain it."""
        return self._dsn(NAME)

    def start(self) -> str:
        """Start the server or join it; give the DSN of a database that answers.

        Raises `ConfigError` if the home, the programs or the data cannot be used.
        """
        self._check_socket_path()
        account = Account.choose(self._data)
        self._make_home(account)
        with self._exclusive():
            if not (self._data / "PG_VERSION").exists():
                self._initialise(account)
            self._bring_up(account)
            self._make_database()
            if self._holder is None:
                self._holder = _open_lock(self.home / "holders")
                fcntl.flock(self._holder, fcntl.LOCK_SH)
        return self.dsn

    def alive(self) -> bool:
        """Say whether the server's first process runs; cheap, for a watchman."""
        self._reap()
        return processes.postmaster(self._data) is not None

    def stop(self) -> None:
        """Leave the server; stop it in order if nobody else uses it."""
        if self._holder is None:
            return
        with self._exclusive():
            holder, self._holder = self._holder, None
            try:
                fcntl.flock(holder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return  # somebody else uses it
            else:
                self._shut_down()
            finally:
                os.close(holder)

    # --- the home ---------------------------------------------------------------------------

    def _check_socket_path(self) -> None:
        length = len(os.fsencode(self._socket / SOCKET_FILE))
        if length > SOCKET_LIMIT:
            raise ConfigError(
                f"the database's folder {self.home} has too long a name: its socket would need "
                f"{length} octets of at most {SOCKET_LIMIT}; choose a shorter one"
            )

    def _make_home(self, account: Account) -> None:
        mode = 0o711 if account.is_other else 0o700
        try:
            for folder in reversed([self.home, *self.home.parents]):
                if not folder.exists():
                    folder.mkdir(exist_ok=True)
                    folder.chmod(mode)  # whatever the umask says, and only where we made it
            self._socket.mkdir(mode=0o700, exist_ok=True)
            if account.is_other:
                os.chown(self._socket, account.uid, account.gid)
        except OSError as error:
            raise ConfigError(
                f"the database's folder {self.home} cannot be made: {error}"
            ) from error
        if account.run(["/bin/sh", "-c", 'cd -- "$1"', "sh", self.home])[0]:
            raise ConfigError(
                f"the database's folder {self.home} cannot be entered by the account number "
                f"{account.uid}, which runs the server for root; choose a folder whose parents "
                "everybody may enter, such as /var/lib/cardsync"
            )

    @contextlib.contextmanager
    def _exclusive(self) -> Iterator[None]:
        lock = _open_lock(self.home / "lock")
        deadline = time.monotonic() + self._patience
        try:
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise ConfigError(
                            f"another process has been starting or stopping the database in "
                            f"{self.home} for {self._patience:.0f} s; see {self.home / 'log'}"
                        ) from None
                    time.sleep(TICK)
            yield
        finally:
            os.close(lock)

    def _initialise(self, account: Account) -> None:
        """Make the data directory aside and rename it: it is there whole or not at all."""
        if self._data.exists():
            raise ConfigError(
                f"{self._data} is no PostgreSQL data directory (it has no PG_VERSION); "
                "move it away and start again"
            )
        programs = find(self.home, account, self._configured, None)
        side = self.home / "new"
        shutil.rmtree(side, ignore_errors=True)
        side.mkdir(mode=0o700)
        password = secrets.token_hex(32)
        _write_secret(self._pgpass, f"*:*:*:{NAME}:{password}\n")
        _write_secret(side / "password", password + "\n")
        if account.is_other:
            for path in (side, side / "password"):
                os.chown(path, account.uid, account.gid)
        status, said = account.run(
            [
                *(programs.folder / "initdb", "-D", side / "data", "-U", NAME, "-k"),
                *("--auth=scram-sha-256", f"--pwfile={side / 'password'}"),
                *("--encoding=UTF8", "--locale=C"),
            ],
            self._patience,
        )
        if status:
            raise ConfigError(f"the database cannot be made in {self.home}: {_last_line(said)}")
        (side / "data").rename(self._data)
        shutil.rmtree(side)

    # --- the server -------------------------------------------------------------------------

    def _bring_up(self, account: Account) -> None:
        """Wait for a running server, or start one, until a login works."""
        if not self._pgpass.exists():
            raise ConfigError(
                f"{self._pgpass}, the password of the database in {self._data}, is missing; "
                "restore both from a backup, or move the folder away to begin with an empty one"
            )
        deadline = time.monotonic() + self._patience
        launched: subprocess.Popen[bytes] | None = None
        while not self._login():
            if launched is not None and launched.poll() is not None:
                raise ConfigError(f"the database does not start: {self._log_tail()}")
            if launched is None and not self.alive():
                processes.clear_stale(self._data, self._socket / f"{SOCKET_FILE}.lock")
                launched = self._child = self._launch(account)
            if time.monotonic() > deadline:
                raise ConfigError(
                    f"the database in {self.home} does not answer within {self._patience:.0f} s: "
                    f"{self._log_tail()}"
                )
            time.sleep(TICK)

    def _launch(self, account: Account) -> "subprocess.Popen[bytes]":
        major = int((self._data / "PG_VERSION").read_text().split(".")[0])
        programs = find(self.home, account, self._configured, major)
        settings = {**SETTINGS, "unix_socket_directories": str(self._socket)}
        log = self.home / "log"
        if log.exists() and log.stat().st_size > LOG_LIMIT:
            log.replace(self.home / "log.old")
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            return account.popen(
                [
                    *(programs.folder / "postgres", "-D", self._data),
                    *(f"--{name}={value}" for name, value in settings.items()),
                ],
                cwd=self._data,
                output=output,
            )
        except OSError as error:
            raise ConfigError(f"{programs.folder / 'postgres'} cannot be run: {error}") from error
        finally:
            os.close(output)

    def _login(self) -> bool:
        try:
            psycopg.connect(self._dsn("postgres")).close()
        except psycopg.OperationalError as error:
            if re.search("password authentication failed|no password supplied", str(error)):
                raise ConfigError(
                    f"the database in {self._data} refuses the password in {self._pgpass}; "
                    "the two are not of the same instance: restore both from one backup"
                ) from None
            return False
        return True

    def _make_database(self) -> None:
        with psycopg.connect(self._dsn("postgres"), autocommit=True) as connection:
            known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [NAME])
            if known.fetchone() is None:
                connection.execute(f'CREATE DATABASE "{NAME}"')

    def _shut_down(self) -> None:
        """Ask for a fast shutdown; where that takes too long, for an immediate one."""
        for request in (signal.SIGINT, signal.SIGQUIT):
            pid = processes.postmaster(self._data)
            if pid is None:
                break
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, request)
            deadline = time.monotonic() + min(self._patience, 60.0)
            while self.alive() and time.monotonic() < deadline:
                time.sleep(TICK)
        self._reap()

    def _reap(self) -> None:
        if self._child is not None:
            self._child.poll()

    def _dsn(self, database: str) -> str:
        fields = {
            "host": str(self._socket),
            "user": NAME,
            "dbname": database,
            "passfile": str(self._pgpass),
        }
        return psycopg.conninfo.make_conninfo("", **fields)

    def _log_tail(self) -> str:
        try:
            said = (self.home / "log").read_bytes()[-4096:].decode(errors="replace")
        except OSError:
            said = ""
        return f"{_last_line(said)} (all of it in {self.home / 'log'})"


def _open_lock(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigError(
            f"the database's folder {path.parent} cannot be used by this account: {error}; "
            "use the account that made it, or choose another folder"
        ) from error


def _write_secret(path: Path, text: str) -> None:
    side = path.with_name(path.name + ".new")
    side.unlink(missing_ok=True)
    file = os.open(side, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(file, "w") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    side.replace(path)


def _last_line(said: str) -> str:
    """Give the last line that tells of an error, else the last line."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    telling = [line for line in lines if "FATAL" in line or "error:" in line or "PANIC" in line]
    return (telling or lines or ["it said nothing"])[-1]
