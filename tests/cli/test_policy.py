"""`cardsync policy`: what it prints, and what it says of what is wrong."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cardsync.cli import policy_files
from cardsync.cli.made_events import made_events
from cardsync.cli.policy import app
from cardsync.cli.policy_files import Progress, read_recording
from cardsync.errors import ConfigError
from cardsync.policy.program import Program
from cardsync.policy.recording import LineReader
from policy_texts import EXAMPLE, example

DRY_RUN_SECONDS = 60
"""What a dry run of 100,000 events may take on a slow and busy machine."""


def run(*arguments: object, status: int = 0) -> str:
    """Run a command in this process; give what it printed, or its error where it fails."""
    found = CliRunner().invoke(app, [str(one) for one in arguments])
    if found.exception and not isinstance(found.exception, SystemExit):
        raise found.exception

    assert status == found.exit_code, found.output
    return found.stdout if status == 0 else found.stderr


@pytest.fixture(name="newer")
def other_version(tmp_path: Path) -> Path:
    """Write version 8 of the example: twice a day, and longer connected."""
    text = EXAMPLE.read_text().replace("version = 7", "version = 8").replace('"24 h"', '"12 h"')
    path = tmp_path / "newer.toml"
    path.write_text(text.replace("connected_time > 5", "connected_time > 30"))
    return path


@pytest.fixture(name="events")
def recorded_events(tmp_path: Path) -> Path:
    """Write the events of twenty cards in three days."""
    path = tmp_path / "events.jsonl"
    path.write_text(run("events", "--cards", 20, "--days", 3, "--seed", 5))
    return path


def test_check(tmp_path: Path) -> None:
    """A good policy has its octets told; of a bad one every error with file, line, column."""
    bad = tmp_path / "bad.toml"
    bad.write_text(EXAMPLE.read_text().replace("imei !=", "imie !=").replace('"10 min"', '"10"'))

    assert f"{EXAMPLE}: fleet-inventory 7, 565 octets, good\n" == run("check", EXAMPLE)
    told = run("check", bad, EXAMPLE, bad, status=2).splitlines()
    assert len(told) == 4
    assert told[0].startswith(
        f"{bad}:27:38: requests.inventory.retry.first: this is '10'; expected"
    )
    assert told[1].startswith(f"{bad}:32:9: rules[1].when: unknown name 'imie'; expected a fact")


def test_check_for_a_small_card() -> None:
    """What a card has can be told; the dearest rule is named."""
    told = run("check", EXAMPLE, "--octets", 500, "--steps", 10, status=2)

    assert "up to 565 octets; the dearest rule, 'regular', takes 31; expected at most 500" in told
    assert "up to 18 steps for one event" in told


def test_compile(tmp_path: Path) -> None:
    """Octets or digits, in a file or printed, with the digest that the operator knows."""
    octets = example().encode()
    digits = octets.hex().upper()
    line = f"fleet-inventory 7: 565 octets, SHA-256 {example().digest().hex()}\n"
    outputs = [tmp_path / name for name in ("a.cp", "a.hex", "b")]

    assert [line] * 3 == [
        run("compile", EXAMPLE, "-o", outputs[0]),
        run("compile", EXAMPLE, "-o", outputs[1]),
        run("compile", EXAMPLE, "-o", outputs[2], "--hex"),
    ]
    assert octets == outputs[0].read_bytes()
    assert f"{digits}\n" == outputs[1].read_text() == outputs[2].read_text()
    assert f"{digits}\n" == run("compile", EXAMPLE, "-o", "-")
    assert line == run("compile", outputs[0]) == run("compile", outputs[1])


def test_bound() -> None:
    """The table of docs/policy.md."""
    page = (EXAMPLE.parents[2] / "docs" / "policy.md").read_text()

    assert run("bound", EXAMPLE).strip() in page


@pytest.mark.parametrize(
    ("octets", "told"),
    [
        (b"\xff\xfe", "octet 0 is no UTF-8"),
        (b"CP\x01\x00", "program refused"),
        (b"4350ZZ", "non-hexadecimal"),
        (b"policy = ", ":1:10: "),
    ],
)
def test_no_policy(tmp_path: Path, octets: bytes, told: str) -> None:
    """Whatever stands in a file, it is told."""
    path = tmp_path / "file"
    path.write_bytes(octets)

    assert told in run("check", path, status=2)


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    """A file that is not there, or cannot be written."""
    assert f"{tmp_path}: cannot be read" in run("check", tmp_path, status=2)
    with pytest.raises(ConfigError, match="cannot be written"):
        run("compile", EXAMPLE, "-o", tmp_path / "no" / "where")
    with pytest.raises(ConfigError, match="cannot be read"):
        run("explain", EXAMPLE, "--events", tmp_path / "nothing")


def test_explain(tmp_path: Path) -> None:
    """Every event has its reasons in words; texts are texts."""
    path = tmp_path / "events.jsonl"
    phone = {"imei": "490154203237518", "profile": "5DBC82E7ABCBD9F9"}
    last = {f"last.{name}": value for name, value in phone.items()}
    recorded: list[dict[str, object]] = [
        {"card": "a", "minute": 0, "event": "profile_download", "facts": phone | last},
        {"card": "b", "minute": 3, "event": "poll"},
        {"card": "a", "minute": 5, "event": "menu", "argument": 1},
    ]
    path.write_text("".join([json.dumps(one) + "\n" for one in recorded]))

    assert run("explain", EXAMPLE, "--events", path, "--card", "a").splitlines() == [
        (
            "a       0 profile_download: the phone has changed did not fire: "
            'imei was "490154203237518", as at the last success; '
            "profile was 5DBC82E7ABCBD9F9, as at the last success"
        ),
        "a       5 menu 1: the subscriber asks fired",
        "a       5   decided: synchronize inventory with https://dm.operator.example/syncml",
        "a       5 synchronized inventory: done fired",
        (
            "a       5 synchronized inventory: failed did not fire: "
            "result.ok was true (wanted false)"
        ),
        (
            "a       5 synchronized inventory: failed for the third time did not fire: "
            "failures was 0 (wanted 3)"
        ),
        "a       5   decided: tell 'Your phone is up to date.'",
    ]
    told = run("explain", EXAMPLE, "--events", path, "--results", "recorded").splitlines()
    assert [
        "b       3 poll: no rule is for this",
        "a       5 menu 1: the subscriber asks fired",
        "a       5   decided: synchronize inventory with https://dm.operator.example/syncml",
    ] == told[1:]


def test_results_are_taken_from_the_events_where_they_tell(tmp_path: Path) -> None:
    """Where a recording tells how synchronizations went, that is what is taken."""
    path = tmp_path / "events.jsonl"
    path.write_text(
        '{"card":"a","event":"menu","argument":1}\n'
        + '{"card":"a","event":"synchronized","argument":"inventory","facts":{"result.ok":false}}\n'
        * 3
    )

    assert "decided: report by SMS" in run("explain", EXAMPLE, "--events", path)
    assert "SMS" not in run("explain", EXAMPLE, "--events", path, "--results", "assumed")


def test_dry_run(newer: Path, events: Path) -> None:
    """How much more or less, which rules, what is different, why, and for which cards."""
    told = run("dry-run", EXAMPLE, newer, "--events", events, "--cards", 2)

    assert told.startswith("fleet-inventory 7 (old) and fleet-inventory 8 (new)\n")
    assert "events of 20 cards in 3.0 days; every synchronization succeeds at once" in told
    assert "rule 'regular': every 24 h -> 12 h, another condition" in told
    assert "cards; only new: 'regular'; old: every 24 h, new 12 h\n    for example card 89" in told
    assert "19 of 20 cards change" in told
    assert "and 17 other cards; --cards N lists more" in told


def test_dry_run_as_json(newer: Path, events: Path) -> None:
    """A program is told the same, every card that changes included."""
    told = json.loads(run("dry-run", EXAMPLE, newer, "--events", events, "--json"))
    old, new = told["old"]["total"]["synchronizations"], told["new"]["total"]["synchronizations"]

    assert (20, 19, 3) == (told["cards"], len(told["changed"]), round(told["days"]))
    assert new - old == sum(one["change"]["synchronizations"] for one in told["causes"])
    assert new - old == sum(
        one["new"]["synchronizations"] - one["old"]["synchronizations"] for one in told["changed"]
    )
    assert 0.1 > abs(told["new"]["per_day"]["synchronizations"] - new / told["days"])


def test_dry_run_of_the_same(events: Path) -> None:
    """Nothing changes."""
    told = run("dry-run", EXAMPLE, EXAMPLE, "--events", events)

    assert "what the policies say differently\n  nothing\n" in told
    assert "what changed, and why\n  nothing\n" in told
    assert "\n0 of 20 cards change\n" in told


def test_dry_run_of_100_000_events(newer: Path, tmp_path: Path) -> None:
    """A tenth of 1,000,000 events, in a process of its own."""
    path = tmp_path / "events.jsonl"
    path.write_text(run("events", "--cards", 1000, "--days", 6))
    ran = subprocess.run(
        [sys.executable, "-m", "cardsync", "policy", "dry-run", EXAMPLE, newer, "--events", path],
        check=True,
        capture_output=True,
        text=True,
        timeout=DRY_RUN_SECONDS,
    )

    assert "of 1000 cards in 6.0 days" in ran.stdout


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (["{}"], ":1: card: the name of a card is expected"),
        (['{"card":"a","event":"poll"}', "", ""], ":2:1: one JSON object is expected"),
        (['{"card":"a","event":"poll"}', "[" * 100_000], ":2:1: one JSON object is expected"),
        (['{"card":"a","event":"poll"}', "9" * 5000], ":2:1: one JSON object is expected"),
        (['{"card":"a","event":"poll"},{}'], ":1:28: one JSON object is expected: Extra data"),
        (['{"card":"a",', '"event":"poll"}'], ":1:13: one JSON object is expected"),
        (['{"card":"a","event":"pole"}'], ":1: event: 'pole' is none"),
        (
            ['{"card":"a","event":"poll","minute":5}', '{"card":"a","event":"poll","minute":4}'],
            "minute: 4 is before 5",
        ),
    ],
)
def test_recordings_that_cannot_be_used(tmp_path: Path, lines: list[str], told: str) -> None:
    """The line is told."""
    path = tmp_path / "events.jsonl"
    path.write_text("\n".join(lines) + "\n")

    with pytest.raises(ConfigError) as caught:
        run("explain", EXAMPLE, "--events", path)
    assert told in str(caught.value)


def test_lines_are_counted_over_chunks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A long recording is read in pieces; the number of a line and the progress go on."""
    monkeypatch.setattr(policy_files, "_CHUNK", 100)
    path = tmp_path / "events.jsonl"
    path.write_text('{"card":"a","event":"poll"}\n' * 100 + "{}\n")
    times = iter(range(0, 1000, 3))

    with pytest.raises(ConfigError, match=r"events\.jsonl:101: card:"):
        list(read_recording(path, Progress(path.stat().st_size, lambda: next(times))))
    assert " %, about " in capsys.readouterr().err


def test_progress(capsys: pytest.CaptureFixture[str]) -> None:
    """Short work passes in silence; long work says how far it is."""
    times = iter([0.0, 1.0, 2.5, 3.0])
    progress = Progress(1000, lambda: next(times))
    progress.at(100, 7)
    progress.at(250, 9)
    progress.at(300, 11)

    assert "9 events, 25 %, about 8 s more\n" == capsys.readouterr().err


def test_made_events() -> None:
    """The same seed gives the same events, another one others; every line can be read."""
    made = "".join(made_events(10, 3, 1))
    lines = [LineReader().read(json.loads(line)) for line in made.splitlines()]
    minutes = [line.minute or 0 for line in lines]

    assert made == "".join(made_events(10, 3, 1))
    assert made != "".join(made_events(10, 3, 2))
    assert minutes == sorted(minutes)
    assert {f"8935800000000000{number:03}" for number in range(10)} == {one.card for one in lines}
    assert minutes[-1] < 3 * 1440


def test_made_events_go_on_for_long() -> None:
    """In a year phones are changed and cards travel; who does not read on ends it in silence."""
    made = "".join(made_events(10, 365, 3))

    assert made.count('"imei"') > 10
    assert '"network.mcc":240' in made
    script = f"{sys.executable} -m cardsync policy events --cards 1000 --days 90 | head -1"
    ran = subprocess.run(
        ["sh", "-c", script], check=True, capture_output=True, text=True, timeout=60
    )
    assert "" == ran.stderr
    assert 1 == ran.stdout.count("\n")


def test_a_program_is_as_good_as_its_policy(events: Path, tmp_path: Path, newer: Path) -> None:
    """What is compiled can be bound, explained and tried."""
    compiled = tmp_path / "old.cp"
    run("compile", EXAMPLE, "-o", compiled)

    assert Program.decode(compiled.read_bytes()) == example()
    assert run("bound", EXAMPLE) == run("bound", compiled)
    old, same = (
        run("dry-run", path, newer, "--events", events, "--json") for path in (EXAMPLE, compiled)
    )
    assert old == same


def test_broken_lines_are_passed_over(tmp_path: Path, newer: Path, events: Path) -> None:
    """If that is wanted: what can be read is tried, and how much could not is told."""
    good = events.read_bytes().splitlines(keepends=True)
    path = tmp_path / "broken.jsonl"
    broken = [b"{broken\n", b'{"card":"x","event":"pole"}\n', b"\xff\xfe\xfa\n", b"\n"]
    path.write_bytes(b"".join([*good[:5], *broken, *good[5:]]))
    arguments = ("dry-run", EXAMPLE, newer, "--events")
    whole = run(*arguments, events)
    found = CliRunner().invoke(app, [*map(str, arguments), str(path), "--skip-broken"])
    explained = CliRunner().invoke(
        app, ["explain", str(EXAMPLE), "--events", str(path), "--skip-broken"]
    )

    assert whole == found.stdout
    assert f"4 lines passed over, the first: {path}:6:2: one JSON" in found.stderr
    assert "4 lines passed over" in explained.stderr
    with pytest.raises(ConfigError, match=":6:2: "):
        run(*arguments, path)


def test_marks_and_line_ends(tmp_path: Path, newer: Path, events: Path) -> None:
    """What editors of other systems write is read: a mark before UTF-8, other line ends."""
    mark = b"\xef\xbb\xbf"
    policy, recording = tmp_path / "p.toml", tmp_path / "e.jsonl"
    policy.write_bytes(mark + newer.read_bytes().replace(b"\n", b"\r\n"))
    recording.write_bytes(mark + events.read_bytes().replace(b"\n", b"\r\n"))
    plain = run("dry-run", EXAMPLE, newer, "--events", events)

    assert plain == run("dry-run", EXAMPLE, policy, "--events", recording)


def test_files_without_end() -> None:
    """Of a file that never ends only so much is read; events are read twice, so from a file."""
    assert "more than 1048576 octets; a policy is expected" in run("check", "/dev/zero", status=2)
    with pytest.raises(ConfigError, match="a file is expected"):
        run("explain", EXAMPLE, "--events", "/dev/null")


def test_a_card_that_is_not_there(events: Path) -> None:
    """Whoever mistypes the card hears of it."""
    with pytest.raises(ConfigError, match="there is no event of a card 'nobody'"):
        run("explain", EXAMPLE, "--events", events, "--card", "nobody")


def test_json(tmp_path: Path, events: Path) -> None:
    """Every command tells a program the same as a person."""
    bad = tmp_path / "bad.toml"
    bad.write_text(EXAMPLE.read_text().replace("imei !=", "imie !="))
    found = CliRunner().invoke(app, ["check", str(bad), str(EXAMPLE), str(tmp_path), "--json"])
    checked = json.loads(found.stdout)
    compiled = json.loads(run("compile", EXAMPLE, "--json"))
    bounded = json.loads(run("bound", EXAMPLE, "--json"))
    explained = [
        json.loads(line)
        for line in run("explain", EXAMPLE, "--events", events, "--json").splitlines()
    ]

    assert [False, True, False] == [one["good"] for one in checked]
    assert 2 == found.exit_code
    assert [{
        "line": 32, "column": 9, "key": "rules[1].when", "what": "unknown name 'imie'",
        "expected": "a fact, a parameter or a variable, perhaps 'imei'",
    }] == checked[0]["faults"]  # fmt: skip
    assert [{"what": f"{tmp_path}: cannot be read: Is a directory"}] == checked[2]["faults"]
    assert (compiled["octets"], compiled["sha256"]) == (565, example().digest().hex())
    assert compiled.items() <= checked[1].items()
    assert (565, 2.4, "regular") == (
        bounded["octets"], bounded["years"], bounded["rules"][1]["rule"],
    )  # fmt: skip
    assert len(events.read_text().splitlines()) == len(explained)
    assert any(
        reason["fired"]
        for one in explained
        for outcome in one["outcomes"]
        for reason in outcome["reasons"]
    )
