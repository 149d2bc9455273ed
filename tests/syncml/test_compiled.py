"""The codec compiled by mypyc (docs/dependencies.md) does what its sources do."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import cardsync
from peers import need

ROOT = Path(__file__).parents[2]
TESTS = ("wbxml", "xml", "reading", "device")


@pytest.mark.peer("gcc")
def test_compiled_codec_passes_the_tests_of_the_codec(tmp_path: Path) -> None:
    """`tools/compile.sh` makes extensions that are imported in the place of the sources."""
    need("gcc")
    if not (Path(sysconfig.get_paths()["include"]) / "Python.h").exists():
        pytest.skip("Python.h is not installed: apt-get install python3-dev")
    source = Path(cardsync.__path__[0])
    shutil.copytree(source, tmp_path / "cardsync", ignore=shutil.ignore_patterns("*.so"))
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    subprocess.run(["sh", ROOT / "tools" / "compile.sh", tmp_path], check=True)
    asked = "from cardsync.syncml import wbxml_parser as it; print(it.__file__)"
    found = subprocess.run(
        [sys.executable, "-c", asked], env=environment, check=True, capture_output=True, text=True
    )
    tests = [f"tests/syncml/test_{name}.py" for name in TESTS]
    judged = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *tests],
        env=environment,
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )

    assert found.stdout.startswith(str(tmp_path))
    assert found.stdout.strip().endswith(".so")
    assert 0 == judged.returncode, judged.stdout
