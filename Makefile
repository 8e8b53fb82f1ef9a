# make demo and make test set everything up by themselves; they need python3 (3.11 or newer) and make.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
export OMP_NUM_THREADS ?= 2
TEST_WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: help install demo study knobs weights test test-slow lint format check bench clean

help:  ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

install: $(VENV)/.core  ## set up .venv with the command a2m2 in it

demo: $(VENV)/.core  ## render action videos, train from nothing, recognise unseen classes from 1 and 5 examples
	$(BIN)/a2m2 demo

study: $(VENV)/.core  ## train every row of docs/study.md with three seeds and compare them: about an hour on two cores
	$(BIN)/python -m a2m2.bench.study --out runs/study --into docs/study.md --short-into README.md

knobs: runs/study/study.json  ## score the networks of the study with every matcher as misalignment grows: docs/knobs.md
	for grid in knobs-sets knobs-sequences probes; do \
	  $(BIN)/a2m2 ablate $$grid --out runs/$$grid --cache runs/study/cache --into docs/knobs.md || exit 1; done

weights: $(VENV)/.core  ## train the network that is shipped, on rendered clips alone: hours on two cores
	OMP_NUM_THREADS=1 $(BIN)/python -m a2m2.bench.shipped --out runs/weights --into src/a2m2/weights

runs/study/study.json: $(VENV)/.core
	$(BIN)/python -m a2m2.bench.study --out runs/study

test: $(VENV)/.dev  ## run the tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(TEST_WORKERS)

test-slow: $(VENV)/.dev  ## run the tests that take minutes
	$(BIN)/python -m pytest -m slow -n 0

lint: $(VENV)/.dev  ## check format, style, types and the import rules between rooms
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev  ## put the code in its format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

check: lint test  ## lint, then test: what CI runs

bench: $(VENV)/.dev  ## measure transport, episodes, cost against size and decoding, and write them into docs/performance.md: about half an hour
	mkdir -p runs/performance
	for name in ot episodes costs decode; do \
	  OMP_NUM_THREADS=1 $(BIN)/a2m2 bench $$name --json runs/performance/$$name.json || exit 1; done
	$(BIN)/a2m2 bench performance runs/performance --into docs/performance.md --keep

clean:  ## remove what make made
	rm -rf $(VENV) build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

# pip, not uv: with the cap on torch it takes a CPU build where one is at hand.
$(VENV)/.core: pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "a2m2 needs Python 3.11 or newer; set PYTHON=/path/to/python3.11"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.core
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@
