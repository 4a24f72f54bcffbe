# `make` prints the targets. Each first installs what it needs into .venv.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
PRESET ?= sample

# Otherwise Python cannot spell every path in a locale without UTF-8 (LC_ALL=C).
export PYTHONUTF8   := 1
export PALM_HOME    ?= $(CURDIR)/palm_home
export DAGSTER_HOME ?= $(CURDIR)/dagster_home
ifeq ($(filter /%,$(firstword $(DAGSTER_HOME))),) # Dagster wants an absolute path
DAGSTER_HOME := $(CURDIR)/$(DAGSTER_HOME)
endif

.DEFAULT_GOAL := help
.PHONY: help setup dagster-home pipeline ui app test test-load test-faults test-dagster screenshots lint bench blind-sheet clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## Install the project and its dependencies into .venv

$(READY): pyproject.toml constraints.txt deploy/opencv-headless/pyproject.toml
	$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(v not in ((3, 11), (3, 12)) and "Python 3.11 or 3.12 is needed, this is %d.%d: make PYTHON=python3.12" % v)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt ./deploy/opencv-headless --editable '.[dev]'
	@# In an environment that had opencv-python, removing it removes the files of the headless one, too.
	@$(BIN)/python -c 'import cv2; cv2.__version__' 2>/dev/null || $(BIN)/pip install --quiet --force-reinstall --no-deps --constraint constraints.txt opencv-python-headless
	@touch $@

dagster-home: # another DAGSTER_HOME gets the settings of this one
	@mkdir -p '$(DAGSTER_HOME)'
	@test -e '$(DAGSTER_HOME)/dagster.yaml' || { cp dagster_home/dagster.yaml '$(DAGSTER_HOME)' && echo "Dagster's settings: $(DAGSTER_HOME)/dagster.yaml"; }

pipeline: setup dagster-home ## Run the pipeline: photographs to a released model (PRESET=sample, or another of pipelines/presets)
	@$(BIN)/python -m pipelines '$(PRESET)'

ui: setup dagster-home ## Start the Dagster UI on http://localhost:3000
	$(BIN)/dagster dev -w workspace.yaml

app: setup ## Start the Streamlit page on http://localhost:8501
	$(BIN)/streamlit run app/main.py

test: setup ## Run all tests (as root, installs Debian's chromium and nginx if they are missing)
	tests/e2e/install-servers
	$(BIN)/pytest -n auto --maxprocesses 4 --dist loadgroup --durations 30 --durations-min 5 -m "not alone"
	$(BIN)/pytest --durations 30 --durations-min 5 -m alone

test-load: setup ## Load test: 20 concurrent visitors, three rounds, limits on time and memory; then 1,000 palms of the starter each
	PALM_LOAD=1 $(BIN)/pytest -s tests/e2e/test_load.py tests/e2e/test_memory.py

test-faults: setup ## Fault test: 50 kills, a full disk in each stage, damage to each artifact; prints a table
	PALM_FAULTS_LONG=1 $(BIN)/pytest tests/faults

test-dagster: setup ## Dagster on SQLite and PostgreSQL, the services of the compose file, and a month of schedule ticks
	PALM_DAGSTER_LONG=1 $(BIN)/pytest tests/e2e/test_dagster.py tests/e2e/test_compose.py tests/pipelines/test_month.py

screenshots: setup ## Retake the README's screenshots with the released model
	$(BIN)/python -m tests.e2e.screenshots

lint: setup ## Run ruff, the import contracts and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

bench: setup ## Run the benchmarks (one alone: make bench-training; takes hours: make bench-recipes)
	for name in crop_extraction evaluation page synthetic_photos training; do $(BIN)/python benchmarks/$$name.py || exit 1; done

blind-sheet: setup ## Write runs/blind-sheet: held-out and generated palms, shuffled, for raters
	$(BIN)/python benchmarks/blind_sheet.py

bench-%: setup
	$(BIN)/python benchmarks/$(subst -,_,$*).py

clean: ## Remove the environment and caches; palm_home stays
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
