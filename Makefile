# make demo   train an agent and look at it      make test   everything that must hold
# make check  format, lint, types, import rules      make house  rooms and the arrows between them
# make dist   wheel and sdist, checked               make lock   requirements.lock, after other pins
# make docs   the documentation, into site/          make notebooks  the three, run from top to bottom
# Each makes .venv first if it is missing.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/installed
DEMO   := runs/demo-$(shell date +%Y%m%d-%H%M%S)

# Waiting threads spin for a moment, then sleep: on a shared machine spinning on costs far more
# than it saves.
export OMP_WAIT_POLICY = PASSIVE
export GOMP_SPINCOUNT = 3000
# No screen is needed, and nothing is fetched while tests run.
test: export SDL_VIDEODRIVER = dummy
test: export HF_HUB_OFFLINE = 1
# Each of the processes that test has a core.
test: export OMP_NUM_THREADS = 1

.PHONY: demo test check docs notebooks house dist lock clean
.DEFAULT_GOAL := demo

demo: $(STAMP)
	$(BIN)/mmrl train --config configs/demo.yaml --out $(DEMO)

test: check
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile

check: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Warnings are errors; links and anchors are checked. To read it: python -m http.server -d site
docs: $(STAMP)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

notebooks: $(STAMP)
	$(BIN)/pip install --quiet -c constraints.txt -e '.[notebooks]'
	folder=$$(mktemp -d) && cp docs/notebooks/*.ipynb $$folder && $(BIN)/jupyter execute $$folder/*.ipynb

house: $(STAMP)
	$(BIN)/python benchmarks/house.py

dist: $(STAMP)
	$(BIN)/pip install --quiet -c constraints.txt build twine
	rm -rf dist
	$(BIN)/python -m build
	$(BIN)/twine check --strict dist/*

# torch and what it brings depend on the device: they are left out.
lock: $(STAMP)
	$(BIN)/pip install --quiet uv
	(grep '^#' requirements.lock; $(BIN)/uv pip compile --quiet --universal --python-version 3.11 \
	    --generate-hashes --no-header --no-annotate -c constraints.txt --extra all \
	    --no-emit-package torch --no-emit-package torchvision --no-emit-package triton \
	    pyproject.toml | sed -E "/^(nvidia|cuda)-|== 'emscripten'/,/[^\\]$$/d") > requirements.new
	mv requirements.new requirements.lock

# torch first, at the pinned version: the others would bring another build of it.
$(STAMP): pyproject.toml constraints.txt
	test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet -c constraints.txt torch torchvision
	$(BIN)/pip install --quiet -c constraints.txt -e '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
