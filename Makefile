# Every target is listed by `make help`. VENV, SOURCE, APP_PORT, MONITORING_PORT and JOBS (test workers) may be set.
SHELL := /bin/bash
VENV ?= .venv
PYTHON ?= python3
SOURCE ?= simulator
BIN := $(VENV)/bin
ARGS ?=
JOBS ?= 2
export CI

.DEFAULT_GOAL := help
.PHONY: help run setup bytecode web channels dev check types unit format test with-parts calculating proofs faults kills screenshots bench soak fuzz lock schema shape clean

help: ## this table
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-8s %s\n", $$1, $$2 }'

run: setup web ## set everything up and start Virtuoso on the simulator (SOURCE=bybit goes live)
	@exec $(BIN)/virtuoso run --source $(SOURCE) $(ARGS)

setup: $(VENV)/.kernel-stamp bytecode ## the environment, from hash-locked requirements, with compiled kernels

# a process that may not write them (PYTHONDONTWRITEBYTECODE, a folder of root's) would compile all at each start
bytecode: | $(BIN)/python ## compile our modules, so that no start has to
	@$(BIN)/python -m compileall -q src/virtuoso

web: $(VENV)/.run-stamp ## build the dashboards (nothing to do when they are up to date)
	@$(BIN)/python web/build.py

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Virtuoso needs Python 3.11 or newer; set PYTHON=..."; exit 1; }
	@$(PYTHON) -m venv $(VENV) 2>/dev/null || { \
	  echo "No venv module: installing the package python3-venv"; \
	  apt-get update -qq && apt-get install -y -qq python3-venv && $(PYTHON) -m venv $(VENV); }

$(VENV)/.run-stamp: requirements/run.lock requirements/build.lock pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/build.lock \
	  -r requirements/run.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# a kernel's cache does not notice a change in a kernel it calls: every change compiles all anew
KERNELS := $(wildcard src/virtuoso/indicators/*.py src/virtuoso/components/*.py src/virtuoso/components/base/*.py)

$(VENV)/.kernel-stamp: $(KERNELS) $(VENV)/.run-stamp
	$(BIN)/virtuoso compile
	@touch $@

$(VENV)/.dev-stamp: requirements/dev.lock $(VENV)/.kernel-stamp | bytecode
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.lock
	@touch $@

channels: $(VENV)/.run-stamp ## what alerts to Telegram, Slack and by mail need beside
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/channels.lock

dev: $(VENV)/.run-stamp ## Vite on port 5173 before a running server
	cd web && npm ci --no-audit --no-fund && APP_PORT=$${APP_PORT:-8003} npm run dev

# recipes that show their output at once stand behind a +; what runs beside them is shown when it has ended
BESIDE := $(MAKE) --no-print-directory -j2 --output-sync=target

check: $(VENV)/.dev-stamp ## format, lint, types, layers, generated types, unit tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/virtuoso schema --check
	+@$(BESIDE) types unit

types:
	$(BIN)/mypy

unit:
	+$(BIN)/python -m pytest -q -n $(JOBS) --dist loadfile tests/unit

format: $(VENV)/.dev-stamp ## let ruff format and fix what it can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# half as many more run beside each other as there are cores (twice as many spoil times); the longest first, and a file
# of pages, which draw, between two that wait
LONGEST := browser/test_pages integration/test_recording integration/test_binance_feed browser/test_phone \
  integration/test_bybit_feed browser/test_board integration/test_rest integration/test_ccxt_feed \
  browser/test_market_pages integration/test_two_venues integration/test_api browser/test_alerts_page \
  integration/test_processes integration/test_simulator_faults browser/test_config_page integration/test_redefinition \
  integration/test_simulator_binance browser/test_symbol_page integration/test_binance_connections \
  integration/test_simulator integration/test_feeds integration/test_replay
# file by file: of a folder and a file in it, pytest takes the folder alone, in the order of its names
LONGEST := $(LONGEST:%=tests/%.py)
WITH_PARTS = $(LONGEST) $(filter-out $(LONGEST),$(wildcard $(patsubst %,tests/%/test_*.py,browser integration contract)))
# a folder costs ten seconds to collect
ALONE = $(shell grep -rl --include='test_*.py' 'pytest.mark.alone' tests/browser tests/integration)

# else each worker compiles every module of the tests anew
check test: export PYTHONDONTWRITEBYTECODE :=

test: check web ## all of `make check`, the properties, and whatever needs servers, processes or a browser, but the faults
	@bash tools/install_test_servers.sh
	cd web && npm ci --no-audit --no-fund --silent
	+@$(BESIDE) with-parts calculating
	$(BIN)/python -m pytest -q -rs -m alone $(ALONE) || \
	  $(BIN)/python -m pytest -q -rs --last-failed --last-failed-no-failures all -m alone $(ALONE)

with-parts:
	+$(BIN)/python -m pytest -q -rs -n $$(($(JOBS) * 3 / 2)) --dist loadfile --no-loadscope-reorder \
	  -m "not alone" $(WITH_PARTS) || { \
	  echo "Many of these tests wait for seconds to pass: what failed beside others must now pass alone"; \
	  $(BIN)/python -m pytest -q -rs --last-failed --last-failed-no-failures all -m "not alone" $(WITH_PARTS); }

# what takes the processor alone and measures no time, while the others wait: it stands back for them
calculating:
	cd web && nice -n 19 npm run check && nice -n 19 npm run lint && nice -n 19 npm test
	nice -n 19 $(BIN)/python -m pytest -q -rs -p no:cacheprovider -n $(JOBS) --dist loadfile tests/property

proofs: $(VENV)/.dev-stamp ## the laws of the score on every recorded market, law by law (ARGS="candles --only 4h"; ten minutes)
	cd tests && $(abspath $(BIN))/python -m proofs $(ARGS)

faults: $(VENV)/.dev-stamp web ## break what can break, against real sockets, and print the table (five minutes; VIRTUOSO_KILLS=200)
	VIRTUOSO_TEST_SLACK=$${VIRTUOSO_TEST_SLACK:-1} $(BIN)/python -m pytest -q -rs $(or $(ARGS),tests/faults)

kills: $(VENV)/.dev-stamp ## kill a writing store a thousand times and count what was lost (ARGS="--times 100")
	cd tests && $(abspath $(BIN))/python -m support.store_kills $(ARGS)

screenshots: $(VENV)/.dev-stamp web ## every page at 1600, 1100 and 390 px in both themes (ARGS=FOLDER; /tmp/virtuoso-screenshots)
	$(BIN)/python tools/screenshots.py $(ARGS)

bench: $(VENV)/.dev-stamp ## the ratios of docs/performance.md, measured in one run
	cd tests && $(abspath $(BIN))/python -m benchmarks

soak: $(VENV)/.dev-stamp ## days of a looped recording in minutes (ARGS="FOLDER --hours 48"): memory, tasks, descriptors
	cd tests && $(abspath $(BIN))/python -m benchmarks.soak $(ARGS)

fuzz: $(VENV)/.dev-stamp ## spoiled frames from decoder to score (ARGS="--seconds 600 --seed 7"): crashes, non-finite
	cd tests && $(abspath $(BIN))/python -m fuzz $(ARGS)

lock: $(VENV)/.dev-stamp ## compile the lock files (hashes, no index lines)
	@for set in run build channels dev web; do \
	  $(BIN)/pip-compile --quiet --upgrade --generate-hashes --no-header --strip-extras --allow-unsafe \
	    --no-emit-index-url --no-emit-trusted-host --no-emit-find-links \
	    --output-file requirements/$$set.lock requirements/$$set.in; \
	done

schema: $(VENV)/.run-stamp ## write the dashboards' types from the wire
	$(BIN)/virtuoso schema

shape: ## what is long or oddly named; a list, never a failure
	@git ls-files 'src/*.py' 'web/src/*' | xargs wc -l | awk '$$1 > 400 && $$2 != "total"' || true
	@git ls-files | grep -E '(utils|helpers|common|misc|_v2|_old|_legacy|_fixed)' || true

clean: ## remove what was built
	rm -rf $(VENV) web/node_modules web/dist src/virtuoso/web/static
