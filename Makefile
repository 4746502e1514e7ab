# Python 3.11 or newer and git are enough: everything else goes into .venv.
.DEFAULT_GOAL := help
PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11; do \
	"$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$name" && break; done)
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
WORKERS ?= 4
PYTEST_ARGS ?=

.PHONY: help demo test check bench format protos

help: ## what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(INSTALLED): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; name one with: make PYTHON=/path/to/python3" >&2; exit 1; }
	@test -x $(BIN)/python || "$(PYTHON)" -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

.PHONY: .venv
.venv: $(INSTALLED)

demo: $(INSTALLED) ## the console with local runners at work, in a throw-away folder
	@if [ -t 0 ] && [ -t 1 ]; then exec $(BIN)/traffic-tui demo; else exec $(BIN)/traffic-tui demo --headless; fi

test: $(INSTALLED) ## the whole test suite
	$(BIN)/python -m pytest -n $(WORKERS) $(PYTEST_ARGS)

check: $(INSTALLED) ## format, lint and types, changing nothing
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(INSTALLED) ## the measurements behind the figures in the documents
	$(BIN)/python -m benchmarks

format: $(INSTALLED) ## put the code into its form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

protos: $(INSTALLED) ## the modules of the gRPC contracts, after a change of a .proto file
	$(BIN)/python -m grpc_tools.protoc -I. --python_out=. --mypy_out=. --grpclib_python_out=. server/wire/workernator/*.proto
