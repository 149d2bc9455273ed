"""docs/cli.md tells the truth: each of its examples is run, and prints what stands there."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "cli.md").read_text()


def examples() -> list[tuple[str, list[str]]]:
    """Give every command of the page with the lines that it prints; `...` is the rest."""
    found: list[tuple[str, list[str]]] = []
    for block in re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            else:
                found[-1][1].append(line)
    return found


def test_examples(tmp_path: Path) -> None:
    """One after the other, in a folder that has the examples."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    for command, printed in examples():
        ran = subprocess.run(
            ["sh", "-c", command],
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=tmp_path,
            env={"PATH": path, "HOME": str(tmp_path), "LANG": "C.UTF-8"},
            timeout=60,
        )
        lines = ran.stdout.splitlines()
        wanted = printed[:-1] if printed[-1:] == ["..."] else printed

        assert wanted == (lines if wanted == printed else lines[: len(wanted)]), command


def test_every_command_has_its_example() -> None:
    """Of `decode`, `policy` and `card` every command, and every kind of octets and column."""
    from cardsync.card.making import COLUMNS  # noqa: PLC0415  # used here alone
    from cardsync.cli.card import app as card  # noqa: PLC0415  # the same
    from cardsync.cli.decode import Kind  # noqa: PLC0415  # used here alone
    from cardsync.cli.policy import app  # noqa: PLC0415  # the same

    names = [
        one.name or str(getattr(one.callback, "__name__", "")) for one in app.registered_commands
    ]
    run = " ".join(command for command, _ in examples())

    assert [] == [name for name in names if f"cardsync policy {name} " not in run]
    commands = [str(getattr(one.callback, "__name__", "")) for one in card.registered_commands]
    assert [] == [name for name in commands if f"$ cardsync card {name} " not in PAGE]
    assert [] == [name for name in COLUMNS if f"`{name}`" not in PAGE]
    assert [] == [kind.value for kind in Kind if f"| `{kind.value}` |" not in PAGE]
