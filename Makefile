# Everything a fresh clone needs is Python 3.11 to 3.14 and make; the rest is installed into .venv,
# node_modules and .kit. Every target may be repeated: what is up to date is not done again.

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev up down check test synth bench lock tools

FITS := import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))
NAMES := python3 python3.14 python3.13 python3.12 python3.11
PYTHON ?= $(shell for p in $(NAMES); do $$p -c '$(FITS)' 2>/dev/null && command -v $$p && break; done)

BIN := .venv/bin
UV := $(BIN)/uv
INSTALL := $(UV) pip install -q --python $(BIN)/python
NO_NETWORK := { echo "error: the installation failed; the first one needs the network (PyPI and npm). Next: make setup" >&2; exit 1; }
NO_PYTHON := { echo "error: Python 3.11 to 3.14 was not found. Next: install it, then: make setup PYTHON=/path/to/python3" >&2; exit 1; }
NO_VENV := { echo "error: $(PYTHON) cannot make virtual environments. Next: install its venv module (Debian: apt install python3-venv), then make setup" >&2; rm -rf .venv; exit 1; }

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/.kit tools ## Install what the kit needs to run
	@echo "set up. Next: make up" >&2

setup-dev: .venv/.dev tools ## Install what its checks and tests need as well

up: .venv/.kit ## Start the laptop cloud, ask a first question, say what to paste next
	@$(BIN)/kit local up --quiet
	@$(BIN)/kit chat "What is a large language model? Answer in one sentence." --max-tokens 80 --temperature 0
	@$(BIN)/kit local status -o paste

down: ## Stop the laptop cloud; its state is kept
	@test ! -x $(BIN)/kit || $(BIN)/kit local down

check: setup-dev ## Lint, types, import rules, catalogue
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/kit models check

test: setup-dev ## Run the tests
	$(BIN)/python -m pytest -q

synth: .venv/.kit ## Synthesise the stacks of STAGE (dev)
	$(BIN)/kit synth --stage $(or $(STAGE),dev)

bench: setup-dev ## Run the benchmarks
	$(BIN)/python -m pytest -q -s tests/bench

COMPILE := $(UV) pip compile --universal --generate-hashes --no-annotate --no-header -q $(UPGRADE)

lock: .venv/.kit ## Bring locks/*.txt to pyproject.toml; UPGRADE=--upgrade takes the newest
	$(COMPILE) pyproject.toml --group dev -o locks/dev.txt
	$(COMPILE) pyproject.toml --group kit -c locks/dev.txt -o locks/kit.txt
	$(COMPILE) pyproject.toml --group chat -c locks/dev.txt -o locks/layer-chat.txt
	$(COMPILE) pyproject.toml --group function-runtime -c locks/dev.txt -o locks/function-runtime.txt
	echo 'uv==0.13.9' | $(COMPILE) - -o locks/uv.txt

tools: .venv/.kit
	@$(BIN)/python -m scripts.local.launcher.toolchain

$(UV): locks/uv.txt
	@test -n "$(PYTHON)" || $(NO_PYTHON)
	@echo "making .venv with $(PYTHON)" >&2
	@$(PYTHON) -m venv .venv || $(NO_VENV)
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r locks/uv.txt || $(NO_NETWORK)
	@touch $(UV)

.venv/.kit: $(UV) locks/kit.txt pyproject.toml
	@echo "installing locks/kit.txt" >&2
	@$(INSTALL) --require-hashes -r locks/kit.txt || $(NO_NETWORK)
	@$(INSTALL) --no-deps -e . || $(NO_NETWORK)
	@touch $@

.venv/.dev: .venv/.kit locks/dev.txt
	@echo "installing locks/dev.txt" >&2
	@$(INSTALL) --require-hashes -r locks/dev.txt || $(NO_NETWORK)
	@touch $@
