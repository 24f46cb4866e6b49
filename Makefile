# Each target does its own set-up: a virtual environment in .venv with the versions of constraints.txt.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# What builds the wheels and the list of versions, and the Pythons that the wheels are tried with.
RELEASE := build/release
PYTHONS ?= $(PYTHON)

.PHONY: help setup test test-hard demo lint format docs notebooks site screenshots bench bench-quick lock wheels wheel-test clean

help: ## say what there is
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 13

setup: $(READY) ## make the environment

NATIVE := $(wildcard src/tastemaker/native/*.h src/tastemaker/native/*.cpp)

$(READY): pyproject.toml constraints.txt hatch_build.py $(NATIVE)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "tastemaker needs Python 3.11 or newer; say make PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

test: $(READY) ## run all tests
	$(BIN)/pytest -n auto --dist worksteal

test-hard: $(READY) ## run all tests as other processors and seeds would have them; an hour
	$(BIN)/python tests/hard.py

demo: $(READY) ## train, evaluate and recommend, on MovieLens where it can be had
	$(BIN)/tastemaker demo

lint: $(READY) ## check format, style, types and layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy --explicit-package-bases --ignore-missing-imports benchmarks
	$(BIN)/lint-imports

format: $(READY) ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(READY) ## rewrite the generated pages of docs/
	$(BIN)/python docs/make_reference.py

site: $(READY) ## build the documentation as a site in build/site/
	$(BIN)/sphinx-build -W --keep-going -q -c docs -d build/doctrees . build/site
	@echo "build/site/index.html"

notebooks: $(READY) ## execute docs/notebooks, to build/notebooks
	$(BIN)/python docs/make_notebooks.py

screenshots: $(READY) ## take the pictures of docs/images again, of runs/demo
	$(BIN)/python docs/make_screenshots.py

bench: $(READY) ## measure speed beside other libraries; TASTEMAKER_DATA names the data
	$(BIN)/python benchmarks/bench.py

bench-quick: $(READY) ## the same with less work, without what is not installed
	$(BIN)/python benchmarks/bench.py --quick

$(RELEASE)/.ready: release/requirements.txt
	$(PYTHON) -m venv $(RELEASE)
	$(RELEASE)/bin/pip install --quiet --requirement release/requirements.txt
	@touch $@

lock: $(RELEASE)/.ready ## write constraints.txt anew; RAISE=--upgrade raises the versions
	$(RELEASE)/bin/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 \
		--no-annotate --no-emit-index-url --custom-compile-command "make lock" $(RAISE) \
		--output-file constraints.txt

wheels: $(RELEASE)/.ready ## build dist/: the source archive and a wheel for each platform, or for PLATFORM
	$(RELEASE)/bin/python release/wheels.py $(if $(PLATFORM),--only $(PLATFORM))

wheel-test: ## install the wheel of this platform in fresh environments of PYTHONS, and use it
	$(PYTHON) release/try_wheel.py dist/*manylinux*_$$(uname -m).whl --python $(PYTHONS)

clean: ## remove the environment and caches
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
