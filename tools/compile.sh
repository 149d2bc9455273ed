#!/bin/sh
# Compile the SyncML codec's hot modules with mypyc, beside their sources, or take that away again.
# The sources alone do the same, slower: see docs/dependencies.md.
#   compile.sh [FOLDER]          the folder that holds the package cardsync; ours by default
#   compile.sh --remove [FOLDER]
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
modules="tree wbxml_parser wbxml xml reading parts writing"
remove=
[ "${1:-}" = --remove ] && remove=yes && shift
source=$(cd "${1:-$here/src}" && pwd)

rm -f "$source"/*__mypyc.*.so "$source"/cardsync/syncml/*.so
[ -z "$remove" ] || exit 0

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -r "$source/cardsync" "$work/"
cd "$work"
# mypyc makes a setup of its own, and runs it by the interpreter that runs mypyc.
# shellcheck disable=SC2046  # a list of files
if ! "$here/.venv/bin/mypyc" --strict $(printf 'cardsync/syncml/%s.py ' $modules) >log 2>&1; then
  cat log >&2
  echo "compile: a C compiler and Python's headers are needed: apt-get install gcc python3-dev" >&2
  exit 2
fi
cp ./*__mypyc.*.so "$source/"
cp cardsync/syncml/*.so "$source/cardsync/syncml/"
