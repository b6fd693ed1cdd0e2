.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/bash
MAKEFLAGS += --no-print-directory

VENV ?= .venv
BIN := $(VENV)/bin
# PYTHON=python3.13 chooses the interpreter of a new environment; by default tools/bootstrap does.
PYTHON ?=
# Arguments handed on: make test PYTEST='tests/core -x', make simulate SIMULATE='--seed 7' and so on.
PYTEST ?=
WORKERS ?= 2
SIMULATE ?=
EDITS ?=
BENCH ?=
DEMO ?=
# Which parts `make kube` makes: by default the API server and the controller manager. With KUBE=no
# `make test` makes none; nor does it for some of the tests alone.
KUBE ?=
# When the wheel says that its files were made: at the last commit, so that a rebuild is the same.
SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 1577836800)
SHELL_SCRIPTS = .ci/run tools/bootstrap tools/pythons tools/record-demo deploy/completions/lightkeeper.bash $(shell grep -lE '^\#!.*sh$$' tests/real/*)

.PHONY: help venv demo kube pods test test-waiting test-all lint format coverage bench simulate edits completions wheel sbom lock clean packages

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

venv: $(VENV)/.complete ## Make .venv: locked, hashed dependencies and this project

$(VENV)/.complete: requirements-dev.lock pyproject.toml tools/bootstrap
	@tools/bootstrap $(VENV) $(PYTHON)

demo: venv ## Watch the daemon at work: a simulated Lightsail, credentials that live a minute
	@$(BIN)/lightkeeper demo $(DEMO)

packages: ## Install the system packages that tests/real needs (as root; SYSTEM_PACKAGES=no skips it)
	@tests/real/install-packages

kube: venv packages ## Make a real API server for the tests, once (KUBE=all: a whole node)
	@KUBE_PYTHON=$(BIN)/python tests/real/kube-assets $(KUBE)

# What the node needs beside what all tests do; buildah is what its jobs build with.
pods: ## Run the tests with pods, on a node of their own (as root; PYTEST='-k job' for some)
	@tests/real/install-packages buildah containernetworking-plugins iproute2 iptables libcap2-bin
	@$(MAKE) kube KUBE=all
	@$(BIN)/python -m tests.pods $(PYTEST)

# Each once: those that compute, while an API server is made; then those that wait, beside coverage.
test: venv packages ## Run every test (PYTEST='tests/core -x' for some)
	@$(RUN_TESTS) --numprocesses $(WORKERS) $(or $(PYTEST),$(patsubst %,--ignore=%,$(WAITING_TESTS) $(COVERED_TESTS)))
	@$(if $(PYTEST),,$(MAKE) --jobs=2 --output-sync=target test-waiting coverage)

test-waiting: venv packages
	@$(RUN_TESTS) --numprocesses $(WAITERS) $(WAITING_TESTS)

RUN_TESTS = $(if $(PYTEST)$(filter no,$(KUBE)),,KUBE_PYTHON=$(BIN)/python tests/real/with-kube) \
    $(BIN)/python -m pytest --dist loadfile --no-loadscope-reorder
# These ask an API server, or wait for processes, leases and outages more than they compute: so there
# are more of them at a time, and what coverage computes goes beside them.
WAITING_TESTS = tests/integration tests/real tests/cli/test_once.py tests/adapters/kubernetes/test_real.py \
    $(wildcard tests/contract/test_cluster*.py) tests/deploy/test_api_server.py tests/deploy/test_upgrades.py
WAITERS = $$((2 * $(WORKERS)))
# What `make coverage` runs.
COVERED_TESTS = tests/core $(wildcard tests/test_files*.py) tests/test_paths.py

test-all: packages ## Run every test on each of Python 3.11, 3.12 and 3.13 that is installed
	@set -e; for python in $$(tools/pythons); do \
	    version=$$($$python -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
	    echo "== Python $$version ($$python)"; \
	    $(MAKE) test VENV=.venv-$$version PYTHON=$$python SYSTEM_PACKAGES=no; \
	done

lint: venv ## Check style, types, layers and shell scripts
	@failed=; \
	$(BIN)/ruff check --quiet . || failed=1; \
	$(BIN)/ruff format --quiet --check . || failed=1; \
	$(BIN)/mypy --no-error-summary || failed=1; \
	$(BIN)/lint-imports --no-logo || failed=1; \
	$(BIN)/shellcheck $(SHELL_SCRIPTS) || failed=1; \
	test -z "$$failed" && echo "style, types, layers and shell scripts: clean"

format: venv ## Format the code and mend what ruff can mend
	@$(BIN)/ruff check --quiet --fix .
	@$(BIN)/ruff format --quiet .

coverage: venv ## Show that tests reach every branch of the core and of the file writer
	@$(BIN)/python -m pytest --quiet $(COVERED_TESTS) \
	    --cov=lightkeeper.core --cov=lightkeeper.files --cov=lightkeeper.paths --cov-branch \
	    --cov-fail-under=100

bench: venv ## Measure against the peers, as ratios
	@$(BIN)/python -m benchmarks $(BENCH)

simulate: venv ## Run a thousand simulated years (SIMULATE='--seed 7' for one, --replicas for a cluster)
	@$(BIN)/python -m tests.simulation $(SIMULATE)

edits: venv ## Count whose edits are lost: 10,000 of another writer against our deliveries
	@$(BIN)/python -m tests.integration.edits $(EDITS)

completions: venv ## Write deploy/completions anew, after a change of commands or options
	@$(BIN)/python -m tools.completions

wheel: venv ## Build dist/*.whl, byte for byte the same at each build
	@SOURCE_DATE_EPOCH=$(SOURCE_DATE_EPOCH) $(BIN)/hatchling build --target wheel --directory dist
	@sha256sum dist/*.whl

sbom: venv ## Write dist/sbom.json: every runtime dependency with its hashes
	@mkdir -p dist
	@PYTHONWARNINGS=ignore $(BIN)/cyclonedx-py requirements requirements.lock --pyproject pyproject.toml \
	    --output-reproducible --output-file dist/sbom.json
	@echo dist/sbom.json

lock: venv ## Write the lock files anew (LOCK=--upgrade for newer versions)
	@$(COMPILE) pyproject.toml --output-file requirements.lock
	@$(COMPILE) --extra kubernetes pyproject.toml --constraints requirements.lock \
	    --output-file requirements-kubernetes.lock
	@$(COMPILE) --group dev pyproject.toml --constraints requirements-kubernetes.lock \
	    --output-file requirements-dev.lock

# uv reads settings of its own; give it pip's index where one is set.
COMPILE = env $(if $(PIP_INDEX_URL),UV_DEFAULT_INDEX="$(PIP_INDEX_URL)") UV_CUSTOM_COMPILE_COMMAND='make lock' \
    $(BIN)/uv pip compile --quiet --generate-hashes --universal --python-version 3.11 $(LOCK)

clean: ## Remove what the targets above made
	@rm -rf .venv .venv-* dist demo .coverage .coverage.* htmlcov .hypothesis .import_linter_cache \
	    .mypy_cache .pytest_cache .ruff_cache
	@find daemon tests tools benchmarks -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true
