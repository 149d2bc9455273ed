"""The embedded PostgreSQL, for real: made, joined, killed, stopped; secrets kept out of sight."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from cardsync.errors import ConfigError
from cardsync.operator.store import binaries, processes
from cardsync.operator.store.binaries import Account
from cardsync.operator.store.embedded import EmbeddedPostgres

ROOT = os.geteuid() == 0

RACER = """
import sys, time, pathlib, psycopg
from cardsync.operator.store.embedded import EmbeddedPostgres
dsn = EmbeddedPostgres(pathlib.Path(sys.argv[1])).start()
with psycopg.connect(dsn) as connection:
    connection.execute("SELECT pg_advisory_xact_lock(1)")
    connection.execute("CREATE TABLE IF NOT EXISTS t (n int)")
    connection.execute("INSERT INTO t VALUES (1)")
print("ready", flush=True)
time.sleep(600)
"""
"""One of several processes that start at once, and die without a word."""


@pytest.fixture(scope="session")
def made() -> Iterator[Path]:
    """Make an instance once, to be copied: that is faster than making each one."""
    folder = Path(tempfile.mkdtemp(prefix="cardsync-"))
    folder.chmod(0o711)
    one = EmbeddedPostgres(folder / "pg")
    one.start()
    one.stop()
    yield folder / "pg"
    shutil.rmtree(folder)


@pytest.fixture
def stopped(home: Path, made: Path) -> EmbeddedPostgres:
    """Give an instance that was made and stopped."""
    subprocess.run(["cp", "-a", made, home / "pg"], check=True)
    return EmbeddedPostgres(home / "pg")


@pytest.fixture
def embedded(stopped: EmbeddedPostgres) -> Iterator[EmbeddedPostgres]:
    """Give an instance that runs, and end it whatever happened."""
    stopped.start()
    yield stopped
    stopped.stop()


def write(dsn: str) -> None:
    """Commit a row."""
    with psycopg.connect(dsn) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS t (n int)")
        connection.execute("INSERT INTO t VALUES (1)")


def count(dsn: str) -> int:
    """Count the rows that were committed."""
    with psycopg.connect(dsn) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS t (n int)")
        row = connection.execute("SELECT count(*) FROM t").fetchone()
        return int(row[0]) if row else -1


def test_start_twice_stop_twice(home: Path) -> None:
    """The first start makes the database, the next one finds it; a stop ends the server."""
    first = EmbeddedPostgres(home / "pg")
    write(first.start())
    first.stop()
    stopped = first.alive()
    second = EmbeddedPostgres(home / "pg")
    rows = count(second.start())
    second.stop()
    second.stop()

    assert (False, 1, False) == (stopped, rows, second.alive())


def test_last_one_stops_the_server(embedded: EmbeddedPostgres) -> None:
    """Who joins uses the same server; it stops when nobody uses it any more."""
    other = EmbeddedPostgres(embedded.home)
    dsn = other.start()
    pid = processes.postmaster(embedded.home / "data")
    embedded.stop()
    between = other.alive()
    write(dsn)
    other.stop()

    assert dsn == embedded.dsn
    assert (True, False) == (between, other.alive())
    assert pid is not None


def test_killed_server_comes_back_with_all_that_was_committed(embedded: EmbeddedPostgres) -> None:
    """`kill -9` of the server's first process loses nothing."""
    write(embedded.dsn)
    pid = processes.postmaster(embedded.home / "data")
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    embedded.start()
    heir = processes.postmaster(embedded.home / "data")

    assert 1 == count(embedded.dsn)
    assert heir not in {None, pid}


def test_three_processes_race_and_are_killed(home: Path) -> None:
    """Three start on nothing at once: one server. Killed, they leave it to the next one."""
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, str(home / "pg")], stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    said = []
    for racer in racers:
        assert racer.stdout is not None
        said.append(racer.stdout.readline())
    for racer in racers:
        racer.kill()
        racer.communicate()
    orphan = processes.postmaster(home / "pg" / "data")
    heir = EmbeddedPostgres(home / "pg")
    rows = count(heir.start())
    same = processes.postmaster(home / "pg" / "data")
    heir.stop()

    assert ["ready\n"] * 3 == said
    assert orphan is not None
    assert (orphan, 3, False) == (same, rows, heir.alive())


def test_lock_files_of_strangers_are_removed(stopped: EmbeddedPostgres) -> None:
    """A process number that a stranger or a zombie has keeps no server from starting."""
    one = stopped
    stranger = subprocess.Popen(["sleep", "60"])
    zombie = subprocess.Popen(["true"])
    try:
        for pid in (stranger.pid, zombie.pid, os.getppid()):
            (one.home / "data/postmaster.pid").write_text(f"{pid}\n")
            (one.home / "socket/.s.PGSQL.5432.lock").write_text(f"{pid}\n")
            write(one.start())
            one.stop()
    finally:
        stranger.kill()
        stranger.wait()
        zombie.wait()

    assert not one.alive()


def test_half_made_database_is_made_anew(home: Path) -> None:
    """What an interrupted first start left behind is swept away."""
    (home / "pg" / "new" / "data").mkdir(parents=True)
    (home / "pg" / "new" / "data" / "PG_VERSION").write_text("15")
    if ROOT:
        (home / "pg").chmod(0o711)
    one = EmbeddedPostgres(home / "pg")
    write(one.start())
    one.stop()

    assert not (home / "pg" / "new").exists()


def test_secrets_are_out_of_sight(embedded: EmbeddedPostgres) -> None:
    """The password stands in one private file alone: no DSN, process list, log, environment."""
    write(embedded.dsn)
    with psycopg.connect(embedded.dsn) as connection, pytest.raises(psycopg.Error):
        connection.execute("SELECT 'subscriber' || 1/0")
    pgpass = embedded.home / "pgpass"
    password = pgpass.read_text().strip().rpartition(":")[2]
    seen = []
    for pid in processes.of(embedded.home / "data"):
        for shown in ("cmdline", "environ"):
            with contextlib.suppress(OSError):  # short-lived ones end under our eyes
                seen.append(Path(f"/proc/{pid}/{shown}").read_bytes())
    log = (embedded.home / "log").read_text()

    assert len(password) == 64
    assert 0o600 == pgpass.stat().st_mode & 0o777
    assert b"listen_addresses" in b"".join(seen)
    assert password.encode() not in b"".join(seen)
    assert password not in embedded.dsn + log
    assert "subscriber" not in log


def test_login_needs_the_password(embedded: EmbeddedPostgres) -> None:
    """Reaching the socket is not enough: SCRAM asks for the password."""
    other = psycopg.conninfo.make_conninfo(embedded.dsn, passfile="/dev/null")
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(other)


def test_only_the_unix_socket(embedded: EmbeddedPostgres) -> None:
    """No process of the server listens on a network address."""
    with psycopg.connect(embedded.dsn) as connection:
        row = connection.execute("SELECT inet_server_addr(), current_setting('listen_addresses')")

        assert (None, "") == row.fetchone()
    with socket.socket() as probe:
        probe.settimeout(0.2)

        assert (embedded.home / "socket" / ".s.PGSQL.5432").is_socket()


def test_server_is_not_root(embedded: EmbeddedPostgres) -> None:
    """As root, the server runs as an existing unprivileged account, which owns its data."""
    owner = (embedded.home / "data").stat().st_uid
    pid = processes.postmaster(embedded.home / "data")
    uid = Path(f"/proc/{pid}").stat().st_uid

    assert owner == uid
    assert uid != 0
    assert not ROOT or uid == Account.choose(embedded.home / "data").uid


def test_parents_are_left_alone(home: Path) -> None:
    """A folder that the account may not enter is refused, not opened to everybody."""
    if not ROOT:
        pytest.skip("only root lends the server another account")
    home.chmod(0o700)
    with pytest.raises(ConfigError, match="cannot be entered"):
        EmbeddedPostgres(home / "pg").start()

    assert 0o700 == home.stat().st_mode & 0o777


def test_programs_out_of_reach_are_copied(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs below a private folder serve as a copy in the home."""
    if not ROOT:
        pytest.skip("only root lends the server another account")
    wheel = next(folder for folder in binaries._folders(None) if "pginstall" in str(folder))
    private = home / "private" / wheel.parents[1].name
    shutil.copytree(wheel.parent, private / wheel.parent.name, symlinks=True)
    libraries = wheel.parents[2] / f"{wheel.parents[1].name}.libs"
    shutil.copytree(libraries, home / "private" / libraries.name, symlinks=True)
    (home / "private").chmod(0o700)
    monkeypatch.setattr(binaries, "WHEEL", "no_such_wheel")
    monkeypatch.setattr(binaries, "DEBIAN", home / "nowhere")
    one = EmbeddedPostgres(home / "pg", binaries=private / wheel.parent.name / "bin")
    write(one.start())
    one.stop()

    assert (0o700, 1) == (
        (home / "private").stat().st_mode & 0o777,
        len(list((home / "pg").glob("postgresql-*"))),
    )


def test_programs_fit_the_data(home: Path) -> None:
    """A data directory is served by its own major version, whatever is preferred."""
    folders = {
        found.major: found for found in map(binaries._inspect, binaries._folders(None)) if found
    }
    if len(folders) < 2:
        pytest.skip("only one version of PostgreSQL is here")
    old = folders[min(folders)]
    first = EmbeddedPostgres(home / "pg", binaries=old.folder)
    write(first.start())
    first.stop()
    second = EmbeddedPostgres(home / "pg", binaries=folders[max(folders)].folder)
    rows = count(second.start())
    second.stop()

    assert 1 == rows
    assert str(old.major) == (home / "pg/data/PG_VERSION").read_text().strip()


def spoil(home: Path, what: str) -> None:
    """Make an instance that cannot be started."""
    match what:
        case "no programs":
            (home / "pg/data").mkdir(parents=True)
            (home / "pg/data/PG_VERSION").write_text("9")
            (home / "pg/pgpass").write_text("*:*:*:cardsync:x\n")
        case "no data directory":
            (home / "pg/data").mkdir(parents=True)
        case "no password":
            (home / "pg/data").mkdir(parents=True)
            (home / "pg/data/PG_VERSION").write_text("15")
        case "not a folder":
            (home / "pg").write_text("")
    if (home / "pg").is_dir():
        (home / "pg").chmod(0o711)


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("no programs", r"no PostgreSQL programs.*version 9.*Install"),
        ("no data directory", r"has no PG_VERSION.*move it away"),
        ("no password", r"password of the database.*missing.*backup"),
        ("not a folder", r"cannot be made"),
    ],
)
def test_faults_say_what_where_and_what_to_do(home: Path, what: str, said: str) -> None:
    """Whatever a person did to the home, the error is one sentence that helps."""
    spoil(home, what)
    with pytest.raises(ConfigError) as raised:
        EmbeddedPostgres(home / "pg", patience=5).start()

    assert re.search(said, str(raised.value))
    assert str(home) in str(raised.value)


def test_damaged_data_is_told_with_the_servers_words(stopped: EmbeddedPostgres) -> None:
    """A server that ends at once is no endless wait: its last words are in the error."""
    (stopped.home / "data/global/pg_control").write_bytes(b"")
    with pytest.raises(ConfigError, match=r"does not start: .*pg_control"):
        stopped.start()

    assert not stopped.alive()


def test_wrong_password_file(embedded: EmbeddedPostgres) -> None:
    """A password of another instance is told at once."""
    pgpass = embedded.home / "pgpass"
    kept = pgpass.read_text()
    pgpass.write_text("*:*:*:cardsync:wrong\n")
    with pytest.raises(ConfigError, match="refuses the password"):
        EmbeddedPostgres(embedded.home).start()
    pgpass.write_text(kept)

    assert count(embedded.dsn) == 0


def test_long_home(home: Path) -> None:
    """A Unix socket's name has at most 107 octets (unix(7)); the error says so."""
    with pytest.raises(ConfigError, match="107"):
        EmbeddedPostgres(home / ("x" * 100)).start()
