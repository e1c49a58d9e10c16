# `make` says what there is. Everything is installed into $(VENV), once, with the versions of constraints.txt.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo test check bench install
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV ?= .venv
ARGS ?=
BIN := $(VENV)/bin
RUNTIME := $(VENV)/.installed-runtime
DEV := $(VENV)/.installed-dev
NEEDS := pyproject.toml constraints.txt

# $(1): the extra to install. pip's own output goes to a log; what is large is named while it comes.
define install
	@echo "Installing r2stream[$(1)] into $(VENV): several gigabytes the first time, most of them PyTorch."
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "r2stream needs Python 3.11 or newer: make PYTHON=python3.11 …")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	  echo "Python cannot make a virtual environment: on Debian and Ubuntu, apt-get install python3-venv" >&2; exit 1; }
	@$(BIN)/python -m pip --disable-pip-version-check install -c constraints.txt -e '.[$(1)]' 2>&1 \
	  | tee $(VENV)/install.log \
	  | awk '/(Downloading|Using cached) .*MB\)/ { print "  " $$0; fflush() } \
	         /^Installing collected/ { print "  Unpacking …"; fflush() }' \
	  || { tail -n 20 $(VENV)/install.log >&2; echo "The installation failed; all of it is in $(VENV)/install.log" >&2; exit 1; }
endef

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(RUNTIME) ## See it work: a synthetic live broadcast, five sentences, their starts and ends
	@$(BIN)/r2stream demo $(ARGS)

test: $(DEV) ## Run the fast tests
	@$(BIN)/python -m pytest -m "not slow" $(ARGS)

check: $(DEV) ## Lint, formatting, types, and who may import whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/test_architecture.py

bench: $(RUNTIME) ## Measure the model: rerun and incremental, at 1, 10 and 100 queries
	@$(BIN)/r2stream bench $(ARGS)

install: $(DEV) ## Install everything for development into .venv

$(RUNTIME): $(NEEDS)
	$(call install,demo)
	@touch $@

$(DEV): $(NEEDS)
	$(call install,dev)
	@touch $(RUNTIME) $@
