# Needs make and Python 3.11 or newer. Another Python: make demo PYTHON=python3.13
PYTHON ?= python3
VENV := .venv
SHOP_PORT ?= 8000
AIRALO_PORT ?= 8010
ONCE ?=
ORDERS ?= 1000
SEED ?= 7
DB ?= sqlite
RUNS ?= 100
TEST_OPTIONS ?=
# A Django other than the newest: make test DJANGO=5.2
DJANGO ?=
# The drivers that the tests need, beside SQLite's: postgres, mariadb.
DRIVERS ?= $(filter postgres mariadb,$(TEST_DATABASE))
DIST ?= dist
SBOM ?= build/sbom
QUICKSTART_PYTHONS ?= $(PYTHON)

PIP ?= $(VENV)/bin/python -m pip --disable-pip-version-check --quiet
# The browser tests need Debian's Chromium; without it they are skipped.
BROWSER := $(if $(wildcard /usr/bin/chromium),--group browser)
DEMO_READY := $(VENV)/.demo-ready
empty :=
TEST_READY := $(VENV)/.test-ready$(subst $(empty) ,,$(foreach part,$(DJANGO) $(DRIVERS),-$(part)))
LINT_READY := $(VENV)/.lint-ready
BUILD_READY := $(VENV)/.build-ready
AUDIT_READY := $(VENV)/.audit-ready

export SHOP_PORT AIRALO_PORT ONCE

.PHONY: help demo preflight test test-faults mutants faults restore-drill crash-points ci-full clean
.PHONY: check lint types docs build wheel-check sbom audit

help:
	@echo "make demo          an emulated Airalo, a shop and a customer who buys an eSIM; then the shop is yours"
	@echo "make demo ONCE=1   the same, and ends after the purchase"
	@echo "make test          the whole test suite, on SQLite"
	@echo "make test-faults   the fault suite: real processes, killed at every bad moment"
	@echo "make check         what to run before a pull request: lint, types, docs and test"
	@echo "make lint          format, style, layers, migrations, workflows"
	@echo "make types         mypy and the completeness of the public types"
	@echo "make docs          the documentation, into docs/_build/html; every warning is an error"
	@echo "make wheel-check   build the distributions and follow the README's quick start with the wheel"
	@echo "make audit         list what an installation contains (SBOM) and look up known vulnerabilities"
	@echo "make mutants       put faults into a copy of the code and see that the tests notice each"
	@echo "make faults        a storm of faults and kills, and what the two ledgers say (ORDERS=1000 SEED=7 DB=sqlite)"
	@echo "make restore-drill restore old databases and see that nothing is bought twice (RUNS=100 SEED=7 DB=sqlite)"
	@echo "make crash-points  kill a shop at each point of an order's life, and again in its recovery"
	@echo "make ci-full       everything: what CI runs, the storms, the crash points, the drills and the mutants"
	@echo "make clean         remove $(VENV) and what the demo has left"
	@echo
	@echo "PYTHON=python3  SHOP_PORT=8000  AIRALO_PORT=8010  can be set to something else; the tests also take"
	@echo "DJANGO=5.2, TEST_DATABASE=postgres (or mariadb) and TEST_OPTIONS='-k webhook'."

demo: preflight $(DEMO_READY)
	@$(VENV)/bin/python example_project/demo

preflight:
	@$(PYTHON) example_project/demo/preflight.py

# Without the suites that kill processes and wait for limits by the clock; those are in test-faults.
test: $(TEST_READY)
	$(VENV)/bin/python -m pytest -n 2 --ignore=tests/faults --ignore=tests/limits $(TEST_OPTIONS)

test-faults: $(TEST_READY)
	$(VENV)/bin/python -m pytest -n 2 tests/faults tests/limits

check: lint types docs test

lint: $(LINT_READY)
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/lint-imports
	$(VENV)/bin/python -m django makemigrations --check --dry-run --settings tests.settings
	$(VENV)/bin/zizmor --offline --quiet --config .github/zizmor.yml .github

types: $(LINT_READY)
	$(VENV)/bin/mypy django_airalo example_project
	$(VENV)/bin/python .ci/public_types.py

docs: $(LINT_READY)
	$(VENV)/bin/python -m sphinx -W --keep-going -q -b dirhtml docs docs/_build/html

# The wheel is made from the source distribution, so that both are known to be whole.
build: $(BUILD_READY)
	rm -f $(DIST)/django_airalo-*
	$(VENV)/bin/python -m build --outdir $(DIST) >/dev/null
	$(VENV)/bin/twine check --strict $(DIST)/django_airalo-*

wheel-check: build
	@set -e; for python in $(QUICKSTART_PYTHONS); do \
		$(PYTHON) .ci/quickstart.py $(DIST)/django_airalo-*.whl --python "$$python"; \
	done

# What a shop gets that installs the wheel, and nothing else.
sbom: build $(AUDIT_READY)
	rm -rf $(SBOM)
	$(PYTHON) -m venv $(SBOM)/environment
	$(SBOM)/environment/bin/python -m pip --disable-pip-version-check --quiet install $(DIST)/django_airalo-*.whl
	$(VENV)/bin/cyclonedx-py environment --mc-type library --pyproject pyproject.toml --output-reproducible \
		--output-file $(SBOM)/django_airalo.cdx.json $(SBOM)/environment

# Fails if something is vulnerable, and also if not everything could be looked up: then $(SBOM)/not-done says what.
audit: sbom
	$(VENV)/bin/python .ci/audit.py $(SBOM)/environment --not-done $(SBOM)/not-done

mutants: $(TEST_READY)
	$(VENV)/bin/python tests/mutants/run.py

restore-drill: $(TEST_READY)
	@$(VENV)/bin/python -m tests.faults.restore_drill --runs $(RUNS) --seed $(SEED) --db $(DB)

# DB=postgres and DB=mariadb need a server on its usual port and a driver (psycopg, mysqlclient) in $(VENV).
faults: $(TEST_READY)
	@$(VENV)/bin/python -m tests.faults.storm --orders $(ORDERS) --seed $(SEED) --db $(DB)

crash-points: $(TEST_READY)
	@$(VENV)/bin/python -m tests.faults.crash.drill

# Needs what .ci/run needs: Debian, PostgreSQL, MariaDB and about an hour and a half.
ci-full:
	@FULL=1 bash .ci/run

clean:
	rm -rf $(VENV) example_project/var build $(DIST) docs/_build

$(DEMO_READY): pyproject.toml | $(VENV)/bin/python
	@echo "Installing the demo into $(VENV) (half a minute the first time) ..."
	@$(PIP) install --editable ".[demo]"
	@touch $@

# Dependency groups need pip 25.1, and Python 3.11 comes with an older one.
$(TEST_READY): pyproject.toml | $(VENV)/bin/python
	@echo "Installing the tests into $(VENV) (a minute the first time) ..."
	@$(PIP) install --upgrade "pip>=25.1"
	@$(PIP) install --editable . --group test $(BROWSER) $(foreach driver,$(DRIVERS),--group $(driver)) \
		$(if $(DJANGO),"Django~=$(DJANGO).0")
	@touch $@

$(LINT_READY): pyproject.toml | $(VENV)/bin/python
	@echo "Installing what checks the code into $(VENV) (a minute the first time) ..."
	@$(PIP) install --upgrade "pip>=25.1"
	@$(PIP) install --editable ".[demo]" --group test --group lint --group docs
	@touch $@

$(BUILD_READY): pyproject.toml | $(VENV)/bin/python
	@echo "Installing what builds a release into $(VENV) ..."
	@$(PIP) install --upgrade "pip>=25.1"
	@$(PIP) install --group build
	@touch $@

$(AUDIT_READY): pyproject.toml | $(VENV)/bin/python
	@echo "Installing what audits a release into $(VENV) ..."
	@$(PIP) install --upgrade "pip>=25.1"
	@$(PIP) install --group audit
	@touch $@

$(VENV)/bin/python:
	@echo "Making $(VENV) with $(PYTHON) ..."
	@$(PYTHON) -m venv $(VENV)
