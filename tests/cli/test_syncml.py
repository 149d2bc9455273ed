"""`cardsync syncml`: serve, sync, show, as a person calls them."""

import json
import os
import pty
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from cardsync.cli.syncml_report import complaints, hints
from cardsync.errors import PeerError
from cardsync.fleet.syncml_http import HttpServer, Serve
from cardsync.fleet.syncml_server import Reply, Settings, SyncmlServer
from cardsync.syncml import auth, codec
from cardsync.syncml.auth import AsksForLess
from cardsync.syncml.elements import (
    Add,
    Alert,
    AlertCode,
    Item,
    Location,
    Message,
    Put,
    Results,
    Status,
    Sync,
    Unread,
    Version,
)
from cardsync.syncml.events import (
    Authenticated,
    DatabaseResult,
    Event,
    Finished,
    NotRead,
    SessionResult,
)
from cardsync.terminal.databases.sources import Source, open_source
from certificates import Authority
from syncml_messages import everything

ENVIRONMENT = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"}


def run(*arguments: str, **more: str) -> "subprocess.CompletedProcess[str]":
    """Run `cardsync syncml`."""
    return subprocess.run(
        [sys.executable, "-m", "cardsync", "syncml", *arguments],
        check=False,
        capture_output=True,
        text=True,
        env={**ENVIRONMENT, **more},
        stdin=subprocess.DEVNULL,
        timeout=60,
    )


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """Serve a folder and a table; end the server as an operator of a machine does."""
    (tmp_path / "users").write_text("v:file:with colon\n\n")
    with subprocess.Popen(
        [sys.executable, "-m", "cardsync", "syncml", "serve", "--port", "0",
         "--user", "u:secret", "--users", str(tmp_path / "users"),
         f"notes={tmp_path / 'server'}", f"rows={tmp_path / 'x.sqlite'}#t"],
        stdout=subprocess.PIPE,
        text=True,
        env={**ENVIRONMENT, "CARDSYNC_SYNCML_USERS": "w:environment"},
    ) as server:  # fmt: skip
        assert server.stdout is not None
        said = server.stdout.readline()
        assert said.startswith("serving notes, rows at http://127.0.0.1:")
        yield said.split()[-1]
        server.send_signal(signal.SIGTERM)
        assert 0 == server.wait(timeout=10)


def test_https(tmp_path: Path) -> None:
    """With a certificate the server speaks TLS, and the client trusts whom it is told to."""
    authority = Authority(tmp_path)
    pem = str(authority.issue("127.0.0.1"))
    (tmp_path / "server").mkdir()
    (tmp_path / "server" / "a").write_text("alpha")
    command = [sys.executable, "-m", "cardsync", "syncml", "serve", "--port", "0"]
    command += ["--certificate", pem, "--key", pem, f"notes={tmp_path / 'server'}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT) as server:
        assert server.stdout is not None
        url = server.stdout.readline().split()[-1]
        mine = f"notes={tmp_path / 'client'}"
        stranger = run("sync", url, mine)
        ran = run("sync", url, "--authorities", str(authority.path), mine)
        server.send_signal(signal.SIGTERM)

    assert url.startswith("https://127.0.0.1:")
    assert (1, 0) == (stranger.returncode, ran.returncode), stranger.stderr + ran.stderr
    assert "certificate" in stranger.stderr
    assert ["alpha"] == [path.read_text() for path in (tmp_path / "client").iterdir()]


def test_folder_is_synchronized(url: str, tmp_path: Path) -> None:
    """Status 0 and a summary of what went each way."""
    (tmp_path / "client").mkdir()
    (tmp_path / "client" / "a.txt").write_text("from the client")
    (tmp_path / "server" / "b.txt").write_text("from the server")
    folder = f"notes={tmp_path / 'client'}"

    first = run("sync", url, "--user", "u:secret", "--type", "two-way", folder)
    second = run("sync", url, "--user", "u:secret", "--protocol", "1.1", "--xml", folder)

    assert (0, 0) == (first.returncode, second.returncode)
    assert "notes: slow: sent 1 added, 0 replaced, 0 deleted; received 1 added" in first.stdout
    assert "two-way: sent 0 added, 0 replaced, 0 deleted; received 0" in second.stdout
    for side in ("client", "server"):
        found = {path.name: path.read_text() for path in (tmp_path / side).iterdir()}
        assert {"a.txt": "from the client", "b.txt": "from the server"} == found


def test_some_items(tmp_path: Path) -> None:
    """A query keeps the rest at the server; without it everything is compared again, and comes."""
    for name, town in (("bo", "Wien"), ("ann", "Graz")):
        (tmp_path / "server").mkdir(exist_ok=True)
        card = f"BEGIN:VCARD\r\nN:{name}\r\nADR:{town}\r\nEND:VCARD\r\n"
        (tmp_path / "server" / f"{name}.vcf").write_text(card)
    folder, cards = tmp_path / "client", ["--content-type", "text/x-vcard"]
    source = open_source(f"cards={tmp_path / 'server'}", "text/x-vcard")
    server = SyncmlServer([source], Settings())
    with serving(server.serve) as url:
        ask = ["sync", url, *cards, f"cards={folder}"]
        some = run(*ask, "--filter", "cards=ADR&iEQ;wien")
        found = [path.name for path in folder.iterdir()]
        every = run(*ask, "--allow-slow")
        fields = run(*ask, "--filter", "cards=(ADR)")
        other = run(*ask, "--filter", "notes=N&EQ;x")
        old = run(*ask, "--filter", "cards=N&EQ;x", "--protocol", "1.1")

    assert (0, 0) == (some.returncode, every.returncode)
    assert 1 == len(found)
    assert "Wien" in (folder / found[0]).read_text()
    assert 2 == len([*folder.iterdir()])
    assert (2, 2, 2) == (fields.returncode, other.returncode, old.returncode)
    assert "--filter cards=(ADR): no comparison" in fields.stderr
    assert "of a database named" in other.stderr
    assert "1.2" in old.stderr


def test_nothing_else(tmp_path: Path) -> None:
    """What does not meet the query goes to the server, and leaves this side."""
    for side, towns in (("server", {"bo": "Wien", "ann": "Graz"}), ("client", {"cy": "Linz"})):
        (tmp_path / side).mkdir()
        for name, town in towns.items():
            card = f"BEGIN:VCARD\r\nN:{name}\r\nADR:{town}\r\nEND:VCARD\r\n"
            (tmp_path / side / f"{name}.vcf").write_text(card)
    cards = f"cards={tmp_path / 'client'}"
    source = open_source(f"cards={tmp_path / 'server'}", "text/x-vcard")
    server = SyncmlServer([source], Settings())
    with serving(server.serve) as url:
        ask = ["sync", url, "--content-type", "text/x-vcard", cards, "--exclusive"]
        first = run(*ask, "--filter", "cards=ADR&EQ;Wien")
        (tmp_path / "server" / "bo.vcf").write_text("BEGIN:VCARD\r\nN:bo\r\nEND:VCARD\r\n")
        (tmp_path / "client" / "dan.vcf").write_text("BEGIN:VCARD\r\nN:dan\r\nEND:VCARD\r\n")
        here = [path.read_text() for path in (tmp_path / "client").iterdir()]
        second = run(*ask, "--filter", "cards=ADR&EQ;Wien")
        third = run(*ask, "--filter", "cards=ADR&EQ;Wien")
        none = run(*ask)

    assert (0, 0, 0, 2) == tuple(e.returncode for e in (first, second, third, none))
    assert "received 1 added, 0 replaced, 1 deleted" in first.stdout
    assert ["N:bo", "N:dan"] == sorted(text.split("\n")[1].strip() for text in here)
    assert "received 0 added, 0 replaced, 2 deleted" in second.stdout
    assert "sent 0 added, 0 replaced, 0 deleted; received 0" in third.stdout
    assert [] == [*(tmp_path / "client").iterdir()]
    assert {"bo", "ann", "cy", "dan"} == {
        path.read_text().split("\nN:")[1].split()[0] for path in (tmp_path / "server").iterdir()
    }
    assert "--exclusive needs a --filter" in none.stderr


def test_some_columns(tmp_path: Path) -> None:
    """Tables go by their columns; those that are not asked for stay as they are on either side."""
    files = {side: tmp_path / f"{side}.sqlite" for side in ("server", "client")}
    for path in files.values():
        with closing(sqlite3.connect(path)) as made, made:
            made.execute("CREATE TABLE t (k TEXT PRIMARY KEY, name, tel, own)")

    def do(side: str, statement: str) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(files[side])) as table, table:
            return table.execute(statement).fetchall()

    do("server", "INSERT INTO t VALUES ('bo', 'Bo', '1', 'theirs')")
    source = open_source(f"t={files['server']}#t")
    server = SyncmlServer([source], Settings())
    with serving(server.serve) as url:
        ask = ["sync", url, f"t={files['client']}#t"]
        first = run(*ask, "--fields", "t=name,tel")
        got = do("client", "SELECT name, tel, own FROM t")
        do("client", "UPDATE t SET tel = NULL, own = 'mine'")
        do("server", "UPDATE t SET name = 'Bob'")
        do("client", "INSERT INTO t VALUES ('ann', 'Ann', '2', 'mine')")
        second = run(*ask, "--fields", "t=name,tel")
        here, there = (do(side, "SELECT name, tel, own FROM t") for side in ("client", "server"))
        third = run(*ask, "--allow-slow")
        every = [sorted(map(str, do(side, "SELECT name, tel FROM t"))) for side in files]
        owned = do("server", "SELECT own FROM t ORDER BY name")
    source.close()

    assert (0, 0, 0) == (first.returncode, second.returncode, third.returncode)
    assert [("Bo", "1", None)] == got
    assert {("Ann", "2", "mine"), ("Bo", None, "mine")} == set(here)
    assert {("Ann", "2", "mine"), ("Bo", None, "theirs")} == set(there)
    assert every[0] == every[1]
    assert [("mine",), ("mine",)] == owned


def test_some_fields(tmp_path: Path) -> None:
    """The server's other fields stay there, ours here; without the option all of them come."""
    (tmp_path / "server").mkdir()
    card = "BEGIN:VCARD\r\nN:bo\r\nTEL:1\r\nADR:Graz\r\nEND:VCARD\r\n"
    (tmp_path / "server" / "bo.vcf").write_bytes(card.encode())
    folder, cards = tmp_path / "client", ["--content-type", "text/x-vcard"]
    source = open_source(f"cards={tmp_path / 'server'}", "text/x-vcard")
    server = SyncmlServer([source], Settings())
    with serving(server.serve) as url:
        ask = ["sync", url, *cards, f"cards={folder}"]
        some = run(*ask, "--fields", "cards=N,tel")
        (mine,) = [path for path in folder.iterdir() if path.suffix != ".part"]
        got = mine.read_bytes()
        mine.write_bytes(got.replace(b"TEL:1", b"TEL:2\r\nNOTE:mine"))
        again = run(*ask, "--fields", "cards=N,tel")
        there = (tmp_path / "server" / "bo.vcf").read_bytes()
        every = run(*ask, "--allow-slow")
        bad = run(*ask, "--fields", "cards=N;TEL")
        other = run(*ask, "--fields", "notes=N")
        old = run(*ask, "--fields", "cards=N", "--protocol", "1.1")

    assert (0, 0, 0) == (some.returncode, again.returncode, every.returncode)
    assert card.replace("ADR:Graz\r\n", "").encode() == got
    assert card.replace("TEL:1", "TEL:2").encode() == there
    assert {b"NOTE:mine", b"TEL:2", b"ADR:Graz"} <= set(mine.read_bytes().splitlines())
    assert mine.read_bytes() == (tmp_path / "server" / "bo.vcf").read_bytes()
    assert (2, 2, 2) == (bad.returncode, other.returncode, old.returncode)
    assert "--fields cards=N;TEL: no name of a field" in bad.stderr
    assert "of a database named" in other.stderr
    assert "--fields needs SyncML 1.2" in old.stderr


@pytest.mark.parametrize("way", ["wsp", "connectionless", "obex", "gateway"])
def test_other_carriers(tmp_path: Path, way: str) -> None:
    """By WSP in both modes, as if by a gateway, and by OBEX; the server tells where. R-52."""
    (tmp_path / "client").mkdir()
    (tmp_path / "client" / "a.txt").write_text("from the client")
    with subprocess.Popen(
        [sys.executable, "-m", "cardsync", "syncml", "serve", "--port", "0",
         "--wsp", "127.0.0.1:0", "--obex", "127.0.0.1:0", f"notes={tmp_path / 'server'}"],
        stdout=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    ) as server:  # fmt: skip
        assert server.stdout is not None
        urls = server.stdout.readline().strip().partition(" at ")[2].split(", ")
        wsp, unit, obex, http = urls
        options = {
            "wsp": [wsp], "connectionless": [unit, "--connectionless"], "obex": [obex],
            "gateway": [http, "--gateway", wsp.split("/")[2]],
        }[way]  # fmt: skip
        done = run("sync", *options, "--timeout", "20", f"notes={tmp_path / 'client'}")
        server.send_signal(signal.SIGTERM)

        assert (0, "") == (done.returncode, done.stderr)
        assert 0 == server.wait(timeout=20)
    assert "from the client" == (tmp_path / "server" / "a.txt").read_text()


def test_table_is_synchronized(url: str, tmp_path: Path) -> None:
    """Rows of a table of the client are rows of that of the server."""
    connection = sqlite3.connect(tmp_path / "c.sqlite")
    connection.execute("CREATE TABLE t (name TEXT PRIMARY KEY, content TEXT)")
    connection.execute("INSERT INTO t VALUES ('a', 'one')")
    connection.commit()
    connection.close()

    assert 0 == run("sync", url, "--user", "u:secret", f"rows={tmp_path}/c.sqlite#t").returncode
    with sqlite3.connect(tmp_path / "x.sqlite") as rows:
        assert [("a", b"one")] == rows.execute("SELECT * FROM t").fetchall()
    rows.close()


@pytest.mark.parametrize(
    ("arguments", "more"),
    [
        (("--user", "v:file:with colon"), {}),
        (("--user", "w", "--auth", "md5"), {"CARDSYNC_SYNCML_PASSWORD": "environment"}),
        (("--user", "u", "--password-file", "{}/password"), {}),
    ],
)
def test_password_stands_in_no_process_list(
    url: str, tmp_path: Path, arguments: tuple[str, ...], more: dict[str, str]
) -> None:
    """It may come from a file or from the environment, on both sides."""
    (tmp_path / "password").write_text("secret\n")
    given = [each.format(tmp_path) for each in arguments]

    assert 0 == run("sync", url, *given, f"notes={tmp_path / 'client'}", **more).returncode


def basic_only(source: Source) -> Serve:
    """Serve as the oldest servers do, which know nothing but basic."""
    served = SyncmlServer([source], Settings({"u": b"secret"}, auth.Scheme.BASIC))
    judge = served._authenticate

    def judge_basic(device: Any, proof: auth.Proof | None) -> auth.AuthResult:
        return judge(device, proof if proof and proof.scheme is auth.Scheme.BASIC else None)

    served._authenticate = judge_basic  # type: ignore[method-assign]  # an older server
    return served.serve


def test_server_that_wants_the_password_itself(tmp_path: Path) -> None:
    """It gets it: here, or with one line that others can read it; never where that is refused."""
    source = open_source(f"notes={tmp_path / 'server'}")
    with serving(basic_only(source)) as url:
        elsewhere = url.replace("127.0.0.1", "0.0.0.0")  # this machine, but nothing says so
        who, folder = ("--user", "u:secret"), f"notes={tmp_path / 'client'}"
        here = run("sync", url, *who, folder)
        open_to_others = run("sync", elsewhere, *who, folder)
        chosen = run("sync", elsewhere, *who, "--auth", "basic", folder)
        refused = [run("sync", elsewhere, *who, "--auth", each, folder) for each in ("md5", "mac")]
    source.close()

    assert [(0, ""), (0, "")] == [(each.returncode, each.stderr) for each in (here, chosen)]
    assert 0 == open_to_others.returncode
    assert 1 == len(open_to_others.stderr.splitlines())
    assert f"{elsewhere} asks for the password itself" in open_to_others.stderr
    for each in refused:
        assert (1, "") == (each.returncode, each.stderr)
        assert "syncml:auth-basic is asked for, which is less than syncml:auth-m" in each.stdout
        assert "a lower --auth allows it" in each.stdout
        assert "password of user" not in each.stdout


@pytest.mark.parametrize(("ours", "theirs"), [("basic", "mac"), ("md5", "md5"), ("mac", "basic")])
def test_server_shows_itself(tmp_path: Path, ours: str, theirs: str) -> None:
    """Passwords in files and in the environment; another server gets nothing, and we say so."""
    (tmp_path / "server-password").write_text("server's secret\n")
    (tmp_path / "client").mkdir()
    (tmp_path / "client" / "a.txt").write_text("from the client")
    folder, known = f"notes={tmp_path / 'client'}", ("--server", "srv", "--server-auth", theirs)
    with subprocess.Popen(
        [sys.executable, "-m", "cardsync", "syncml", "serve", "--port", "0", "--auth", ours,
         "--server", "srv", "--server-password-file", str(tmp_path / "server-password"),
         "--server-auth", theirs, f"notes={tmp_path / 'server'}"],
        stdout=subprocess.PIPE, text=True, env={**ENVIRONMENT, "CARDSYNC_SYNCML_USERS": "u:secret"},
    ) as server:  # fmt: skip
        assert server.stdout is not None
        url = server.stdout.readline().split()[-1]
        call = ("sync", url, "--user", "u:secret", "--auth", ours, folder, *known)
        wrong = run(*call, CARDSYNC_SYNCML_SERVER_PASSWORD="guess")
        nothing = [*(tmp_path / "server").iterdir()]
        right = [run(*call, CARDSYNC_SYNCML_SERVER_PASSWORD="server's secret") for _ in range(2)]
        server.send_signal(signal.SIGTERM)

        assert 0 == server.wait(timeout=10)
    assert (1, []) == (wrong.returncode, nothing)
    assert "the server does not show the password that we know. Is it" in wrong.stdout
    assert [(0, ""), (0, "")] == [(each.returncode, each.stderr) for each in right]
    assert "two-way" in right[1].stdout
    assert "200 OK: 2 round trips" in right[1].stdout
    assert "from the client" == (tmp_path / "server" / "a.txt").read_text()


def test_failures_are_told_in_words(url: str, tmp_path: Path) -> None:
    """Status 1: what failed, and what a person can do."""
    folder = tmp_path / "client"
    calls = [
        run("sync", url, "--user", "u:wrong", f"notes={folder}"),
        run("sync", url, f"notes={folder}"),
        run("sync", url, "--user", "u:secret", f"other={folder}"),
        run("sync", "http://127.0.0.1:9/syncml", "--user", "u:secret", f"notes={folder}"),
        run("sync", f"{url}/else", "--user", "u:secret", f"notes={folder}"),
    ]

    assert [1] * 5 == [each.returncode for each in calls]
    assert "401 invalid credentials" in calls[0].stdout
    assert "Name or password of user u are wrong" in calls[0].stdout
    assert "407 authentication required" in calls[1].stdout
    assert "--user NAME:PASSWORD" in calls[1].stdout
    assert "404 not found" in calls[2].stdout
    assert "The server has no database other" in calls[2].stdout
    assert "unreachable" in calls[3].stderr
    assert "does the server run" in calls[3].stderr
    assert "status 404; is the path right" in calls[4].stderr


def test_long_work_tells_how_far_it_is(url: str, tmp_path: Path) -> None:
    """On a terminal one line that is written over; elsewhere nothing."""
    (tmp_path / "client").mkdir()
    (tmp_path / "client" / "a").write_text("one")
    ours, theirs = pty.openpty()
    arguments = ["sync", url, "--user", "u:secret", f"notes={tmp_path / 'client'}"]
    ran = subprocess.run(
        [sys.executable, "-m", "cardsync", "syncml", *arguments],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=theirs,
        env=ENVIRONMENT,
        timeout=60,
    )
    os.close(theirs)
    told = os.read(ours, 4096).decode()
    os.close(ours)

    assert 0 == ran.returncode
    assert "\r1 items sent, 0 received, " in told
    assert "" == run(*arguments).stderr


def test_interrupt_breaks_off_and_the_next_goes_on(tmp_path: Path) -> None:
    """Control-C in the middle: 214 and status 1; then the rest goes, and nothing twice."""
    for number in range(9):
        path = tmp_path / "client" / f"n{number}"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"%d" % number * 600)
    source = open_source(f"notes={tmp_path / 'server'}")
    served = SyncmlServer([source], Settings())
    clients: list[subprocess.Popen[str]] = []
    messages: list[bytes] = []

    def serve(body: bytes, content_type: str, query: str, origin: str, _mac: str | None) -> Reply:
        messages.append(body)
        if len(messages) == 4:
            clients[0].send_signal(signal.SIGINT)
        return served.serve(body, content_type, query, origin)

    with serving(serve) as at:
        sync = ("sync", at, "--max-message", "1600", f"notes={tmp_path / 'client'}")
        with subprocess.Popen(
            [sys.executable, "-m", "cardsync", "syncml", *sync],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT,
        ) as client:  # fmt: skip
            clients.append(client)
            out, err = client.communicate(timeout=60)
        broken = len(list((tmp_path / "server").iterdir()))
        again = run(*sync)
    source.close()

    assert 1 == client.returncode
    assert "214 operation cancelled" in out
    assert "the next synchronization goes on" in out
    assert "breaking off" in err
    assert 0 == again.returncode, again.stdout
    assert broken < 9
    assert 9 == len(list((tmp_path / "server").iterdir()))


@pytest.mark.parametrize("place", ["{}/server", "{}/x.sqlite#t"])
@pytest.mark.parametrize("second", ["serve", "sync"])
def test_one_process_at_a_time(tmp_path: Path, second: str, place: str) -> None:
    """The second one is told at once by whom it is held; a crash leaves nothing to be cleaned."""
    database = f"notes={place.format(tmp_path)}"
    served = [sys.executable, "-m", "cardsync", "syncml", "serve", "--port", "0", database]
    with subprocess.Popen(served, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT) as first:
        assert first.stdout is not None
        url = first.stdout.readline().split()[-1]
        more = ("serve", "--port", "0") if second == "serve" else ("sync", url)
        told = run(*more, database)
        first.kill()

    assert (2, "") == (told.returncode, told.stdout)
    assert f"{database} is served by process {first.pid}; one process at a time" in told.stderr
    assert 1 == len(told.stderr.splitlines())
    assert 1 == run("sync", "http://127.0.0.1:9/", database).returncode, "nobody answers there"


def test_two_synchronizations_at_once(tmp_path: Path) -> None:
    """The second one ends before it asks anybody anything."""
    (tmp_path / "client").mkdir()
    second: list[subprocess.CompletedProcess[str]] = []
    folder = f"notes={tmp_path / 'client'}"

    def serve(_body: bytes, _type: str, _query: str, _origin: str, _mac: str | None) -> Reply:
        second.append(run("sync", "http://127.0.0.1:9/", folder))
        return Reply(503, "text/plain", b"later")

    with serving(serve) as at:
        first = run("sync", at, folder)

    assert (1, [2]) == (first.returncode, [each.returncode for each in second])
    assert "notes=" in second[0].stderr
    assert " is synchronized by process " in second[0].stderr


@contextmanager
def serving(serve: Serve) -> Iterator[str]:
    """Serve HTTP in this process; give the address."""
    http = HttpServer("127.0.0.1", 0, serve)
    thread = threading.Thread(target=http.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield http.url
    finally:
        http.shutdown()
        thread.join()
        http.server_close()


@pytest.mark.parametrize(
    "arguments",
    [
        ("sync", "http://a.example", "notes"),
        ("sync", "http://a.example", "--user", "u", "notes=x"),
        ("sync", "http://a.example", "--server", "s", "notes=x"),
        ("sync", "http://a.example", "--user", ":u", "notes=x"),
        ("serve", "--port", "0", "--server", "s", "notes=x"),
        ("serve", "--port", "70000", "notes=x"),
        ("serve", "--port", "0", "notes=x", "./notes=y"),
        ("sync", "http://a.example", "notes=x", "other=x"),
        ("sync", "http://a.example", "--max-message", "1", "notes=x"),
        ("serve", "--port", "0", "--server", "s", "--server-password-file", "none", "notes=x"),
        ("sync", "http://a.example", "--type", "sideways", "notes=x"),
        ("sync", "http://a.example"),
        ("serve", "notes=x"),
        ("serve", "--port", "0", "--wsp", "a:b", "notes=x"),
        ("serve", "--port", "0", "--obex", "192.0.2.1:650", "notes=x"),
        ("sync", "http://a.example", "--gateway", ":1", "notes=x"),
        ("sync", "https://a.example", "--authorities", "none.pem", "notes=x"),
        ("serve", "--port", "0", "notes=/proc/none"),
        ("serve", "--port", "0", "--user", "u", "notes=x"),
        ("serve", "--port", "0", "--users", "latin-1", "notes=x"),
        ("sync", "http://a.example", "--user", "u", "--password-file", "latin-1", "notes=x"),
        ("sync", "http://a.example", "notes=latin-1"),
        ("show", "/nonexistent"),
        ("show",),
    ],
)
def test_mistakes_of_a_person(arguments: tuple[str, ...], tmp_path: Path) -> None:
    """Status 2 and a message; no traceback."""
    (tmp_path / "latin-1").write_bytes(b"u:\xe4")
    ran = subprocess.run(
        [sys.executable, "-m", "cardsync", "syncml", *arguments],
        check=False,
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
        cwd=tmp_path,
        timeout=60,
    )

    assert 2 == ran.returncode
    assert "Traceback" not in ran.stderr


def readable() -> Message:
    """Give a message that both representations can carry."""
    whole = everything(Version.V1_2)
    kinds = Status | Put | Results | Alert
    return Message(whole.header, tuple(each for each in whole.commands if isinstance(each, kinds)))


def test_show(tmp_path: Path) -> None:
    """Both representations of every kind of message give the same readable tree."""
    trees = []
    for kind, content_type in (("xml", codec.XML), ("wbxml", codec.WBXML)):
        path = tmp_path / f"message.{kind}"
        path.write_bytes(codec.encode(readable(), content_type))
        plain, machine = run("show", str(path)), run("show", "--json", str(path))
        assert (0, 0) == (plain.returncode, machine.returncode)
        head, _, body = plain.stdout.partition("\n")
        assert f"{content_type}, {path.stat().st_size} octets" in head
        assert "octets, not shown" in body
        told = json.loads(machine.stdout)
        assert (str(path), content_type) == (told["file"], told["type"])
        trees.append((body, told["message"]))

    assert trees[0] == trees[1]
    assert "SyncML" == trees[0][1]["name"]
    assert os.linesep.join(["  SyncML", "    SyncHdr"]) in trees[0][0]


def test_show_a_long_one(tmp_path: Path) -> None:
    """More than a message may have comes in pieces: every item once, each with the header."""
    items = tuple(Item(source=Location(f"c{n}"), data=b"." * 90_000) for n in range(120))
    whole = Message(readable().header, (Sync(1, commands=(Add(2, items),)),), final=True)
    (tmp_path / "long").write_bytes(codec.encode(whole, codec.WBXML))

    ran = run("show", "--json", str(tmp_path / "long"))

    told = [json.loads(line)["message"] for line in ran.stdout.splitlines()]
    assert 0 == ran.returncode
    assert {"SyncHdr"} == {piece["children"][0]["name"] for piece in told}
    names = [
        item["children"][0]["children"][0]["text"]
        for piece in told
        for item in piece["children"][1]["children"][0]["children"][-1]["children"]
        if item["name"] == "Item"
    ]
    assert [item.source.uri for item in items if item.source] == names


def test_show_what_is_none(tmp_path: Path) -> None:
    """Status 1; the others are shown."""
    (tmp_path / "bad").write_bytes(b"\x02\xa4\x01")
    good = tmp_path / "good"
    good.write_bytes(codec.encode(readable(), codec.XML))

    ran = run("show", str(tmp_path / "bad"), str(good), "--secrets")

    assert 1 == ran.returncode
    assert "octets end too early" in ran.stderr
    assert "SyncBody" in ran.stdout
    assert "not shown" not in ran.stdout


def test_hints_where_we_ended_it() -> None:
    """What the server did wrong, and what a person can do: nothing of a wrong password."""
    asked = AsksForLess(auth.Scheme.BASIC, auth.Scheme.MD5)
    garbled = PeerError("no answer of this session", answer=400)

    assert ["a lower --auth allows it." in line for line in _hints(asked)] == [True]
    first, second = _hints(garbled)
    assert "We ended it: no answer of this session." == first
    assert "perhaps with --xml" in second


def _hints(error: PeerError) -> list[str]:
    return list(hints(SessionResult(error.answer or 0, error=error), "u:secret"))


def test_complaints() -> None:
    """The server says what failed, in a line each, whatever a device calls itself."""
    kind = AlertCode.TWO_WAY
    fine = DatabaseResult("notes", 200, kind, kind)
    bad = DatabaseResult("cards", 413, kind, kind, failed=2)
    events: list[Event] = [Authenticated("u"), Finished(SessionResult(413, (fine, bad)))]

    unread = NotRead(Unread(3, "Put", 400, "DevID is missing in Put/Item/Data at offset 99"))
    assert [
        "phone: Put refused, 400 bad request: DevID is missing in Put/Item/Data at offset 99"
    ] == list(complaints("phone", [unread]))
    (line,) = complaints("phone\n1", events)
    assert line.startswith("phone\\n1: cards: two-way: sent 0 added")
    assert line.endswith("; 2 failed; 413 request entity too large")
