"""Independent programs: found, or the test is skipped with the reason, or fails where CI asks."""

import ctypes.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGES = {
    "bearerbox": "kannel",
    "chromium": "chromium",
    "ip": "iproute2",
    "libopenobex": "libopenobex2",
    "dbus-daemon": "dbus",
    "gcc": "gcc libc6-dev",
    "syncevo-http-server": "syncevolution-http python3-twisted",
    "syncevolution": "syncevolution",
    "tshark": "tshark",
    "wapbox": "kannel",
    "wbxml2xml": "libwbxml2-utils",
    "xml2wbxml": "libwbxml2-utils",
    "Net::SMPP": "libnet-smpp-perl",
    "cardpeek": "cardpeek",
    "opensc-tool": "opensc",
    "osmo-auc-gen": "libosmocore-utils",
    "scriptor": "pcsc-tools",
    "pcscd": "pcscd",
    "/etc/reader.conf.d/vpcd": "vsmartcard-vpcd",
    "python:smartcard": "python3-pyscard",
}
"""The Debian package in which each peer comes; `tools/peers.sh` installs them."""


def find(program: str) -> str | None:
    """Give the path of a peer, or the name of a library or a Perl module that loads, or None.

    For `python:module` it is the interpreter that has the module: this one, or Debian's.
    """
    if program.startswith("/"):
        return program if Path(program).exists() else None
    if program.startswith("python:"):
        return _python_with(program.removeprefix("python:"))
    if program.startswith("lib"):
        return ctypes.util.find_library(program.removeprefix("lib"))
    if "::" not in program:
        return shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    found = subprocess.run(["perl", f"-M{program}", "-e", "1"], check=False, capture_output=True)
    return program if found.returncode == 0 else None


def _python_with(module: str) -> str | None:
    """Give an interpreter in which a module loads."""
    for python in (sys.executable, "/usr/bin/python3"):
        command = [python, "-c", f"import {module}"]
        if (
            Path(python).exists()
            and not subprocess.run(command, check=False, capture_output=True).returncode
        ):
            return python
    return None


def need(program: str) -> str:
    """Give the path of a peer; skip, or fail with CARDSYNC_REQUIRE_PEERS=1, if it is missing."""
    path = find(program)
    if path:
        return path
    reason = f"peer {program} is missing; apt-get install {PACKAGES[program]}"
    if os.environ.get("CARDSYNC_REQUIRE_PEERS") == "1":
        pytest.fail(reason)
    pytest.skip(reason)
