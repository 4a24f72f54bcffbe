# `make` prints this help. Every target sets up what it needs, in .venv.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
PRESET ?= sample

export PALM_HOME    ?= $(CURDIR)/palm_home
export DAGSTER_HOME ?= $(CURDIR)/dagster_home
# Ultralytics would otherwise limit everything in its process to one core.
export OMP_NUM_THREADS ?= $(shell nproc 2>/dev/null || getconf _NPROCESSORS_ONLN)

.DEFAULT_GOAL := help
.PHONY: help setup pipeline ui app test test-load test-faults test-dagster portraits lint bench blind-sheet clean

help: ## Print this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## Install everything into .venv

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(v not in ((3, 11), (3, 12)) and "Python 3.11 or 3.12 is needed, this is %d.%d: make PYTHON=python3.12" % v)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@$(BIN)/python -c 'import cv2' || (echo "OpenCV needs system libraries: sudo apt-get install libgl1 libglib2.0-0" >&2; exit 1)
	@touch $@

pipeline: setup ## Make everything from photographs to a released model (PRESET=sample, local, local-256, kaggle, published)
	$(BIN)/dagster asset materialize -m pipelines.definitions --select '*' -c pipelines/presets/$(PRESET).yaml

ui: setup ## Dagster's page on http://localhost:3000
	$(BIN)/dagster dev -w workspace.yaml

app: setup ## The page with the palms on http://localhost:8501
	$(BIN)/streamlit run app/main.py

test: setup ## Run all tests (as root it installs Debian's chromium and nginx, if they are missing)
	tests/e2e/install-servers
	$(BIN)/pytest

test-load: setup ## 20 visitors at once, three rounds, with limits of time and memory
	PALM_LOAD=1 $(BIN)/pytest -s tests/e2e/test_load.py

test-faults: setup ## Kill it fifty times, fill its disk in each stage, damage each artifact: a table of what came of it
	PALMS_FAULTS_LONG=1 $(BIN)/pytest tests/faults

test-dagster: setup ## A real Dagster service on SQLite and on PostgreSQL, driven as the UI drives it; a month of ticks
	PALMS_DAGSTER_LONG=1 $(BIN)/pytest tests/e2e/test_dagster.py tests/pipelines/test_month.py

portraits: setup ## Retake the README's pictures of the page, with the released model
	$(BIN)/python -m tests.e2e.portraits

lint: setup ## Ruff, import contracts and strict type checking
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

bench: setup ## Measure each claim beside its alternative (one alone: make bench-training; hours: make bench-recipes)
	for name in cropping drawing page quality training; do $(BIN)/python benchmarks/$$name.py || exit 1; done

blind-sheet: setup ## Real held-out palms and the model's, shuffled, for fresh eyes: runs/blind-sheet
	$(BIN)/python benchmarks/blind_sheet.py

bench-%: setup
	$(BIN)/python benchmarks/$*.py

clean: ## Remove the environment and caches; what the pipeline made stays in palm_home
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache
