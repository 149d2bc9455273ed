#!/bin/sh
# Make .venv with what requirements.lock names, each file checked by its hash, and with cardsync.
set -eu
python=${1:-python3}
cd "$(dirname "$0")/.."

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
  echo "setup: Python 3.11 or later is needed; '$python' is not. Try: make PYTHON=python3.11" >&2
  exit 2
fi

if ! "$python" -c 'import ensurepip' 2>/dev/null; then
  # Debian keeps this part of Python in a package of its own.
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "setup: installing python3-venv"
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-venv >/dev/null
  else
    echo "setup: this Python cannot make virtual environments." >&2
    echo "       Install them, then try again: sudo apt-get install python3-venv" >&2
    exit 2
  fi
fi

echo "setup: making .venv (once; some 200 MB)"
[ -x .venv/bin/python ] || "$python" -m venv .venv
wanted=$(mktemp)
trap 'rm -f "$wanted"' EXIT
# uv installs the rest in seconds; it comes from the lock too. Where it cannot reach its index
# (it does not read pip's settings), pip does the work.
awk '/^[a-z]/ {take = ($0 ~ /^uv==/)} take' requirements.lock > "$wanted"
.venv/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r "$wanted"
if ! .venv/bin/uv pip sync -q --require-hashes --python .venv/bin/python requirements.lock 2>/dev/null; then
  echo "setup: uv cannot reach its index; pip takes a minute"
  .venv/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements.lock
fi
# cardsync itself: its build tool is in the lock too, so nothing unchecked is fetched.
.venv/bin/uv pip install -q --python .venv/bin/python --no-deps --no-build-isolation -e .
touch .venv/.ready
