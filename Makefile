# Two commands do everything on a fresh Debian machine: `make demo` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
ARGS ?=

.PHONY: help setup demo test check bench compile pure format lock clean

help: ## what there is
	@grep -E '^[a-z]+:.*##' Makefile | sed 's/:.*## /\t/' | expand -t 10

setup: .venv/.ready ## a virtual environment in .venv, nothing else

.venv/.ready: requirements.lock pyproject.toml tools/setup.sh
	@sh tools/setup.sh $(PYTHON)

demo: setup ## the whole journey; ARGS=--once ends it when both databases are equal
	@$(BIN)/cardsync demo $(ARGS)

test: setup ## all tests, with the independent programs they speak to; ARGS goes to pytest
	@sh tools/peers.sh
	@$(BIN)/pytest -n 2 -rs $(ARGS)

check: setup ## style, types, the walls of the house
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/pytest tests/test_architecture.py tests/test_conformance.py

bench: setup ## speed, measured on this machine; see docs/benchmarks.md
	@$(BIN)/python -m bench $(ARGS)

compile: setup ## the SyncML codec as machine code, beside its sources; `make pure` undoes it
	@sh tools/compile.sh

pure: ## the SyncML codec from its sources alone
	@sh tools/compile.sh --remove

format: setup ## let ruff write the files as it wants them
	@$(BIN)/ruff check --fix . && $(BIN)/ruff format .

lock: setup ## write requirements.lock anew from pyproject.toml
	@$(BIN)/uv pip compile pyproject.toml --all-extras --group dev --generate-hashes \
	  --universal --python-version 3.11 --no-annotate --no-header --upgrade -o requirements.lock

clean: pure ## take away what setup and compile made
	@rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache
