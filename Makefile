# Needs make and Python 3.11 or newer. Another Python: make demo PYTHON=python3.13
PYTHON ?= python3
VENV := .venv
SHOP_PORT ?= 8000
AIRALO_PORT ?= 8010
ONCE ?=
ORDERS ?= 1000
SEED ?= 7
DB ?= sqlite

PIP := $(VENV)/bin/python -m pip --disable-pip-version-check --quiet
# The browser tests need Debian's Chromium; without it they are skipped.
BROWSER := $(if $(wildcard /usr/bin/chromium),--group browser)
DEMO_READY := $(VENV)/.demo-ready
TEST_READY := $(VENV)/.test-ready

export SHOP_PORT AIRALO_PORT ONCE

.PHONY: help demo preflight test test-faults mutants faults clean

help:
	@echo "make demo          an emulated Airalo, a shop and a customer who buys an eSIM; then the shop is yours"
	@echo "make demo ONCE=1   the same, and ends after the purchase"
	@echo "make test          the whole test suite, on SQLite"
	@echo "make test-faults   the fault suite: real processes, killed at every bad moment"
	@echo "make mutants       put faults into a copy of the code and see that the tests notice each"
	@echo "make faults        a storm of faults and kills, and what the two ledgers say (ORDERS=1000 SEED=7 DB=sqlite)"
	@echo "make clean         remove $(VENV) and what the demo has left"
	@echo
	@echo "PYTHON=python3  SHOP_PORT=8000  AIRALO_PORT=8010  can be set to something else."

demo: preflight $(DEMO_READY)
	@$(VENV)/bin/python example_project/demo

preflight:
	@$(PYTHON) example_project/demo/preflight.py

# Without the suites that kill processes and wait for limits by the clock; those are in test-faults.
test: $(TEST_READY)
	$(VENV)/bin/python -m pytest -n 2 --ignore=tests/faults --ignore=tests/limits

test-faults: $(TEST_READY)
	$(VENV)/bin/python -m pytest -n 2 tests/faults tests/limits

mutants: $(TEST_READY)
	$(VENV)/bin/python tests/mutants/run.py

# DB=postgres and DB=mariadb need a server on its usual port and a driver (psycopg, mysqlclient) in $(VENV).
faults: $(TEST_READY)
	@$(VENV)/bin/python -m tests.faults.storm --orders $(ORDERS) --seed $(SEED) --db $(DB)

clean:
	rm -rf $(VENV) example_project/var

$(DEMO_READY): pyproject.toml | $(VENV)/bin/python
	@echo "Installing the demo into $(VENV) (half a minute the first time) ..."
	@$(PIP) install --editable ".[demo]"
	@touch $@

# Dependency groups need pip 25.1, and Python 3.11 comes with an older one.
$(TEST_READY): pyproject.toml | $(VENV)/bin/python
	@echo "Installing the tests into $(VENV) (a minute the first time) ..."
	@$(PIP) install --upgrade "pip>=25.1"
	@$(PIP) install --editable . --group test $(BROWSER)
	@touch $@

$(VENV)/bin/python:
	@echo "Making $(VENV) with $(PYTHON) ..."
	@$(PYTHON) -m venv $(VENV)
