# Every target sets up what it needs: a machine with Python >= 3.11 and make is enough.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
OUTPUT ?= results
# pip would compile what it installs on one core
PIP    := $(BIN)/pip install --quiet --disable-pip-version-check --no-compile
# Two processes that each compute with all cores would wait for each other. Commands that tests
# start would compile the program anew each time if no bytecode were kept.
PYTEST := PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/pytest
# Two processes, each with its own files, since each would otherwise read what the other tests.
QUICK  := -m "not slow and not browser"
FIRST  := tests/experiments tests/repository tests/package
SECOND := tests $(addprefix --ignore=,$(FIRST))

.DEFAULT_GOAL := help

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/runtime: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("needs Python >= 3.11, but $(PYTHON) is " + sys.version.split()[0] + "; try: make PYTHON=python3.12 ...") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(PIP) -r requirements.txt
	$(PIP) --no-deps --editable .
	@touch $@

$(VENV)/installed: $(VENV)/runtime requirements-cluster.txt requirements-dev.txt
	$(PIP) -r requirements.txt -r requirements-cluster.txt -r requirements-dev.txt
	$(BIN)/python -m compileall -q -j 0 -x '/tests?/' $(VENV)/lib
	@touch $@
	@echo "for notebooks: $(BIN)/pip install jupyterlab, then $(BIN)/jupyter lab"

install: $(VENV)/installed  ## create .venv with all pinned packages and the `erasurehead` command

$(VENV)/docs: $(VENV)/installed requirements-docs.txt
	$(PIP) -r requirements-docs.txt
	@touch $@

reproduce: $(VENV)/runtime  ## the claims of the paper's abstract, and all other figures (minutes; OUTPUT=results)
	$(BIN)/erasurehead reproduce --output $(OUTPUT)/reproduce

reproduce-real: $(VENV)/runtime  ## the claims on the authors' data in DATA=DIR, compared with results/reference (minutes)
	@test -n "$(DATA)" || { echo "name the folder with train.csv, covtype.csv and kc_house_data.csv: make reproduce-real DATA=DIR"; exit 2; }
	$(BIN)/erasurehead reproduce --only-paper --data-dir "$(DATA)" --output $(OUTPUT)/reproduce-real --against results/reference

test: install  ## ruff, mypy and the test suite
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@echo "half of the tests; the others, and mypy, run beside them"; said=$$(mktemp -d); \
	$(BIN)/mypy > $$said/mypy 2>&1 & types=$$!; \
	$(PYTEST) $(QUICK) $(SECOND) > $$said/tests 2>&1 & second=$$!; \
	$(PYTEST) $(QUICK) $(FIRST); first=$$?; \
	wait $$second; second=$$?; echo "the other half"; cat $$said/tests; \
	wait $$types; types=$$?; echo "mypy"; cat $$said/mypy; rm -r $$said; \
	exit $$((first | second | types))

test-slow: install  ## the long statistical tests, and every broken input
	EXAMPLES=all $(PYTEST) -n 2 -m "(slow or hypothesis) and not docs"

atlas: install  ## draw the pictures of docs/atlas.md anew, in docs/atlas
	$(BIN)/python -m website.atlas_pictures

docs: $(VENV)/docs  ## the documentation as a site in site/; a warning is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet --strict

test-docs: $(VENV)/docs  ## execute the long blocks of README and docs, and the notebooks
	$(PYTEST) -n 2 -m docs tests/repository

test-browser: $(VENV)/docs  ## the pages in a headless Chromium (apt-get install chromium)
	$(BIN)/pytest -m "browser and not slow" tests/experiments/browser

wheel-test: install  ## build the wheel, and use it beside the oldest libraries that it allows
	$(BIN)/python -m tests.package.wheel --suite

release: install  ## build sdist and wheel into dist/, check them, and try the wheel
	$(BIN)/python -m tests.package.wheel --newest
	$(BIN)/python -m tests.package.wheel --output dist

lint: install  ## ruff and mypy only
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: install  ## let ruff rewrite the source
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

verify: $(VENV)/runtime  ## simulated against closed form, z-scores, long run
	$(BIN)/erasurehead verify

bench: install  ## speed, as ratios measured in one process
	$(BIN)/python -m benchmarks

mutants: install  ## plant faults, and see whether the tests notice (less than an hour)
	$(BIN)/python -m benchmarks.mutants

clean:  ## remove .venv and caches (keeps results)
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info build dist site

.PHONY: help install reproduce reproduce-real test test-slow test-browser atlas docs test-docs wheel-test release lint format verify bench mutants clean
