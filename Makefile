# Everything a developer needs: `make` lists it. Wants only Python 3.11 or newer; the rest goes into .venv.

PYTHON ?= python3
PORT ?= 9000
DATA ?= .holdfast
ARGS ?=
ONLY ?=

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
CHECKERS := $(VENV)/.checkers
WANTED = $(if $(wildcard $(CHECKERS)),requirements-dev.lock,requirements-test.lock)
UV := VIRTUAL_ENV=$(VENV) $(BIN)/uv
COMPILE = $(UV) pip compile --quiet --generate-hashes --no-emit-index-url --universal $(ARGS) pyproject.toml

.DEFAULT_GOAL := help
.PHONY: help dev test check bench soak smoke lock

help: ## List the targets
	@$(PYTHON) -c "import re; [print(f'{m[1]:8}{m[2]}') for m in re.finditer(r'^(\w+):.*?## (.+)', open('Makefile').read(), re.M)]"

dev: $(READY) ## Run the shop with its own PostgreSQL and Valkey (PORT=9000 DATA=.holdfast)
	@exec $(BIN)/holdfast dev --port $(PORT) --data-dir $(DATA)

test: $(CHECKERS) ## Run the tests (ARGS="-k hold")
	@$(BIN)/pytest -n 3 --durations=10 $(ARGS)

check: $(CHECKERS) ## Lint, formatting, types and import rules
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/basedpyright
	@$(BIN)/lint-imports --no-logo

bench: $(READY) ## Measure (ONLY=hold)
	@$(BIN)/python -m bench $(ONLY)

soak: $(CHECKERS) ## Run the long tests as well
	@HOLDFAST_SOAK=1 $(BIN)/pytest -n 2 --durations=10 -m "" $(ARGS)

smoke: $(READY) ## Book, confirm, move and cancel against a running shop (PORT=9000)
	@$(BIN)/holdfast smoke --url http://127.0.0.1:$(PORT)

lock: $(BIN)/uv ## Resolve the dependencies anew (ARGS=--upgrade)
	@$(COMPILE) --output-file requirements.lock
	@$(COMPILE) --extra test --constraint requirements.lock --output-file requirements-test.lock
	@$(COMPILE) --extra dev --constraint requirements-test.lock --output-file requirements-dev.lock

$(BIN)/uv:
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'Holdfast needs Python 3.11 or newer, and $(PYTHON) is ' + sys.version.split()[0] + '; try make PYTHON=python3.11')"
	@$(PYTHON) -c "import ensurepip, venv" 2>/dev/null || { echo "$(PYTHON) cannot make virtual environments: install its venv package (python3-venv on Debian and Ubuntu)" >&2; exit 1; }
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -c "import re; print(re.search(r'^uv==(.*\\\\\n)*.*', open('requirements-test.lock').read(), re.M)[0])" > $(VENV)/uv.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement $(VENV)/uv.lock

$(READY): requirements-test.lock pyproject.toml | $(BIN)/uv
	@echo "Installing into $(VENV) ..."
	@$(UV) pip sync --quiet --require-hashes $(WANTED)
	@$(UV) pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

# More than half of all that is downloaded serves the type checker alone, so `make dev` does without it.
$(CHECKERS): requirements-dev.lock | $(READY)
	@echo "Installing the checkers ..."
	@$(UV) pip install --quiet --require-hashes --requirement requirements-dev.lock
	@touch $@
