# `make demo` and `make test` need Python >= 3.11, make and a package index, and nothing else: the
# first run makes .venv and installs what it needs, later runs start at once.
#
#   PYTHON=/path/to/python make ...   which Python .venv is made with
#   WORKERS=2 make test               how many processes run the tests (default: one a core, up to 8)

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
WORKERS ?= auto

# One BLAS thread in each process: several processes that each use all cores slow each other down.
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 VECLIB_MAXIMUM_THREADS=1

# The first that runs and is new enough. A name on PATH is not yet a Python that runs (pyenv's shims
# of versions that are not selected), and some lack what it takes to make an environment.
CANDIDATES := $(if $(PYTHON),"$(PYTHON)",python3.14 python3.13 python3.12 python3.11 python3 python)
SUITABLE := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))

PYTEST := $(ONE_THREAD) $(BIN)/python -m pytest --numprocesses=$(WORKERS) --maxprocesses=8 \
	--dist=worksteal
QUICK := -m "not slow" --hypothesis-profile=quick

SEARCHES := test_random_programs or test_expression or test_indexing or test_bad_calls or random

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test test-all test-portable lint format types layers check bench fuzz soak dev \
	clean

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile

demo: $(VENV)/.demo  ## train on handwritten digits four ways; pictures go to demo-output/
	@$(BIN)/wengert demo

test: $(VENV)/.test  ## run the tests, README and docstrings included, but for slow repetitions
	@$(PYTEST) $(QUICK)

test-all: $(VENV)/.test  ## run all tests, with coverage
	@$(PYTEST) --cov --cov-report=term:skip-covered --cov-fail-under=95

test-portable: $(VENV)/.test  ## run the numerical tests as on other processors; SHORT=1: fewer
	@$(BIN)/python tests/portable.py $(if $(SHORT),--short)

lint: $(VENV)/.dev  ## ruff: rules and formatting
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check

format: $(VENV)/.dev  ## let ruff repair what it can
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

types: $(VENV)/.dev  ## pyright, strict on the package
	@$(BIN)/pyright

layers: $(VENV)/.test  ## no module imports a layer below its own
	@$(BIN)/python -m pytest --quiet tests/test_layers.py

check: lint types test-all  ## everything that has to pass

bench: $(VENV)/.bench  ## time the gradients against autograd, PyTorch and JAX, on one core
	@$(ONE_THREAD) $(BIN)/python -m benchmarks

fuzz: $(VENV)/.test  ## search at random for minutes: programs, indices, expressions
	@$(PYTEST) --hypothesis-profile=fuzz -k "$(SEARCHES)"
	@$(ONE_THREAD) $(BIN)/python tests/fuzz.py --first $${FIRST:-0} --programs 20000
	@$(ONE_THREAD) $(BIN)/python tests/fuzz.py --first $${FIRST:-0} --programs 3000 --native

soak: $(VENV)/.test  ## call compiled functions for minutes and watch the memory
	@WENGERT_SOAK_SECONDS=$${SECONDS_EACH:-120} $(PYTEST) tests/jit/test_soak.py

dev: $(VENV)/.dev  ## set up .venv for work on wengert, with its pre-commit hooks
	@$(BIN)/pre-commit install

clean:  ## remove .venv, caches and what the other commands made
	@rm -rf $(VENV) build dist demo-output bench-output htmlcov .coverage .coverage.* \
		.hypothesis .pytest_cache .ruff_cache
	@find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

# -- the environment -------------------------------------------------------------------------------

$(VENV)/.made:
	@found=; for python in $(CANDIDATES); do \
		if "$$python" -c '$(SUITABLE)' >/dev/null 2>&1; then found=$$python; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
		echo "wengert needs Python 3.11 or newer with its venv and ensurepip modules, and found" \
			none among $(CANDIDATES)": name one by make PYTHON=/path/to/python" >&2; \
		exit 1; \
	fi; \
	echo "making $(VENV) with $$("$$found" --version)"; \
	"$$found" -m venv --clear $(VENV)
	@touch $@

# Each set of extras has a stamp, so that each command installs only what it needs, and again only
# when pyproject.toml has changed.
$(VENV)/.demo $(VENV)/.test $(VENV)/.dev $(VENV)/.bench: $(VENV)/.%: $(VENV)/.made pyproject.toml
	@echo "installing what make needs for '$*' (a minute or so, the first time)"
	@$(PIP) install --editable '.[$*]'
	@touch $@
