# Two commands do everything: `make demo` runs the main job, `make test` the tests.
# The virtual environment is made once, with what the library needs; what development needs is added to it the first
# time that it is used. Both are brought up to date only when the files that describe them change.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
CORE   := $(VENV)/.core
STAMP  := $(VENV)/.development
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable

.PHONY: demo test test-all lint format types check bench pictures lock clean

demo: $(CORE)
	$(BIN)/python examples/demo.py

test: $(STAMP)
	$(BIN)/python -m pytest

# The tests and those that take long: before a release, and on a schedule.
test-all: $(STAMP)
	$(BIN)/python -m pytest -m ""

check: lint types test

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(STAMP)
	$(BIN)/mypy

# All benchmarks, or those named: make bench BENCH="decisions growth".
bench: $(STAMP)
	$(INSTALL) '.[bench]'
	$(BIN)/python -m benchmarks $(BENCH)

# Make the pictures of README and docs again.
pictures: $(STAMP)
	$(BIN)/python docs/pictures.py

$(CORE): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("seriatim needs Python 3.11 or newer; set PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) .
	touch $(CORE)

$(STAMP): $(CORE)
	$(INSTALL) '.[dev]'
	touch $(STAMP)

# Resolve every dependency again for all supported Pythons and write the result down.
lock:
	uv pip compile --universal --python-version 3.11 --extra dev --extra bench --no-annotate --no-header --quiet --upgrade pyproject.toml --output-file constraints.txt

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache
