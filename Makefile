# Every command of Lockstep. A bare machine needs Python 3.11 or later and make; the rest comes from
# `make setup`, which every command below runs first.

PY := .venv/bin/python
LOCAL := $(PY) -m deploy.local
ARGS ?=
BROKER ?= fyers
REPLICAS ?= 2
RUNS ?= 3
SCRATCH := .venv/lint-imports.log
TYPED := libs services deploy tests

.DEFAULT_GOAL := help
.PHONY: help setup run demo scale test fix check unit conformance integration e2e faults model mutants bench web \
	proto clean _static _audit _fast

help: ## Show this help
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  \033[36mmake %-12s\033[0m %s\n", $$1, $$2}' Makefile

setup: ## Install what is missing: .venv from requirements.lock
	@for python in $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11; do \
		"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
		exec "$$python" deploy/local/bootstrap.py; \
	done; \
	found=$$(python3 --version 2>/dev/null || echo none); \
	echo "✗ Lockstep needs Python 3.11 or later (found: $$found). Install one, or name it: make run PYTHON=/path/to/python3" >&2; \
	exit 1

run: setup ## Start everything on this machine, from nothing; Ctrl-C stops all of it
	@$(LOCAL) run

demo: setup ## Play one scripted trading day and print what was copied (ARGS=--kill-executor)
	@$(PY) -m deploy.local.demo $(ARGS)

scale: setup ## Change the executors of a running stack: make scale BROKER=fyers REPLICAS=3
	@$(LOCAL) scale $(BROKER) $(REPLICAS)

test: check web conformance integration e2e model ## Run every test; servers are started as needed
	@LOCKSTEP_STATE_DIR=run/test LOCKSTEP_PORT_BASE=auto $(LOCAL) down

check: setup ## Format, lint, types, import contracts, unit tests, proto, audit: no server, a minute
	@$(MAKE) --no-print-directory -j2 _static _audit _fast

_static:
	@$(PY) -m ruff format --check --quiet .
	@$(PY) -m ruff check --quiet .
	@.venv/bin/lint-imports >$(SCRATCH) || { cat $(SCRATCH); exit 1; }
	@$(PY) -m mypy $(TYPED)
	@$(PY) -m deploy.local.proto --check

_audit:
	@$(PY) -m deploy.local.audit

_fast:
	@$(PY) -m pytest -q tests/unit tests/model --deselect tests/model/test_sight.py
	@$(PY) -m pytest -q -m fast tests/conformance

fix: setup ## Format and mend what can be mended by itself
	@$(PY) -m ruff check --fix --quiet . || true
	@$(PY) -m ruff format --quiet .

unit: setup ## Run the unit tests
	@$(PY) -m pytest -q tests/unit $(ARGS)

conformance: setup ## Run the promises every broker keeps, against its simulator
	@$(PY) -m pytest -q tests/conformance $(ARGS)

integration: setup ## Run the tests against real PostgreSQL, Redis and Kafka
	@$(PY) -m pytest -q tests/integration $(ARGS)

web: setup ## Lint, type and test the browser application
	@$(PY) -m deploy.local.webapp check

e2e: setup ## Run the tests of the whole stack
	@$(PY) -m pytest -q tests/e2e $(ARGS)

faults: setup ## Break everything, real processes, and ask the broker's journal (RUNS=3, ARGS="--rows 7,26-31")
	@$(PY) -m tests.faults --runs $(RUNS) $(ARGS)

bench: setup ## Measure the product beside its bare floors (ARGS="--quick --only fanout")
	@$(PY) -m tests.bench $(ARGS)

model: setup ## Let anything happen in any order, 100,000 times (MODEL_STEPS, MODEL_SECONDS, MODEL_SEED)
	@$(PY) -m tests.model
	@$(PY) -m pytest -q tests/model/test_sight.py

mutants: setup ## Take each safety clause away, one at a time, and see that a test notices
	@LOCKSTEP_TEST_STATE_DIR=run/mutants $(PY) -m tests.mutants $(ARGS); status=$$?; \
	LOCKSTEP_STATE_DIR=run/mutants LOCKSTEP_PORT_BASE=auto $(LOCAL) down; exit $$status

proto: setup ## Regenerate libs/contracts/v1 from proto/v1
	@$(PY) -m deploy.local.proto

clean: ## Stop this folder's stacks and remove run/
	@if [ -x $(PY) ]; then $(PY) -m deploy.local clean; else rm -rf run; fi
