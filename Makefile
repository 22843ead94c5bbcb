# reben: `make demo` builds a small dataset, `make test` runs the tests.
# Needs Python 3.11 or newer and make; everything else goes into .venv.

PYTHON ?= python3
CORES ?= all
BIN := .venv/bin
RUN := $(BIN)/snakemake --cores $(CORES) --logger rich
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help install install-training demo demo-world test fuzz test-cluster check config-docs bench products lock pin-envs clean

help:  ## list all targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 16

install: .venv/run  ## the environment of the workflow, in .venv

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "error: $(PYTHON) is older than 3.11; use newer: make PYTHON=python3.12 ..."; exit 1; }
	@$(PYTHON) -m venv .venv || { rm -rf .venv; exit 1; }  # Debian needs python3-venv

# The lock files have exact versions and hashes; reben itself is found by its path.
.venv/run: requirements.lock | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@$(BIN)/python -c 'import pathlib, site; \
	  pathlib.Path(site.getsitepackages()[0], "reben.pth").write_text("$(CURDIR)/workflow\n")'
	@printf '#!/bin/sh\nexec "$$(dirname "$$0")/python" -m reben "$$@"\n' > $(BIN)/reben
	@chmod +x $(BIN)/reben
	@touch $@

.venv/dev: requirements-dev.lock .venv/run
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

install-training: .venv/training  ## also what trains models: PyTorch and timm

# The lock file has the PyTorch of PyPI. On Linux that is the build for CUDA, 5.5 GB, which also runs
# without a GPU. TORCH replaces it by any other build, with the rest as locked; docs/training.md.
TORCH ?=
WITHOUT_TORCH := awk '/^[a-z]/ {torch = /^(torch|torchvision|triton|(cuda|nvidia)-[a-z0-9-]*)==/} !torch'
.venv/training: requirements-training.lock .venv/run $(if $(TORCH),always)
ifdef TORCH
	@$(WITHOUT_TORCH) $< > .venv/without-torch.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
	  -r .venv/without-torch.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(TORCH)
else
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
endif
	@touch $@

.PHONY: always
always:

demo/demo.yaml: | .venv/run
	$(BIN)/python -m reben.synthetic demo --out demo

demo: .venv/run demo/demo.yaml  ## generate small products and build a dataset from them
	$(RUN) --configfile demo/demo.yaml -- all draw_overview

WORLDCOVER ?=
demo-world/world.yaml: | .venv/run
	@test -f "$(WORLDCOVER)" || { echo "error: WORLDCOVER is '$(WORLDCOVER)'; expected the tile N00E006 \
	of ESA WorldCover 2021: download ESA_WorldCover_10m_2021_v200_N00E006_Map.tif from \
	https://esa-worldcover.org, then make demo-world WORLDCOVER=<its path>"; exit 1; }
	$(BIN)/python -m reben.synthetic world --out demo-world --worldcover "$(WORLDCOVER)"

demo-world: .venv/run demo-world/world.yaml  ## the same without CORINE (WORLDCOVER=path of a land cover map)
	$(RUN) --configfile demo-world/world.yaml -- all audit report

test: .venv/dev  ## unit and workflow tests
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile

FIRST ?= 0
COUNT ?= 20
INPUTS ?= 500
fuzz: .venv/dev  ## INPUTS damaged files of each kind; COUNT runs of edits and kills (ON=--slurm); from seed FIRST, long
	$(BIN)/python -m tests.fuzz.inputs $(FIRST) $(INPUTS)
	$(BIN)/python -m tests.fuzz.reruns $(FIRST) $(COUNT) $(ON)

test-cluster: .venv/dev  ## the workflow on a Slurm that the test starts by itself (root, Debian)
	$(BIN)/python -m pytest tests/cluster

check: .venv/dev  ## formatting, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/snakefmt --check Snakefile workflow/Snakefile workflow/rules
	$(BIN)/mypy
	$(BIN)/snakemake --lint

config-docs: .venv/run  ## write the tables of config/README.md from the schemas
	$(BIN)/python docs/config_reference.py

bench: .venv/dev  ## time every step on a dense full-size tile and print a table
	$(BIN)/python -m tests.benchmarks

NAMES ?= names.txt
OUT ?= products.tsv
products: .venv/run  ## look up the product names in NAMES at CDSE and write the table OUT
	$(BIN)/python -m reben.products --names $(NAMES) --out $(OUT)

# Exact versions with hashes; without an index URL, so that any mirror works.
LOCK := uv pip compile pyproject.toml --universal --python-version 3.11 \
  --extra workflow --generate-hashes --no-emit-index-url --no-header --quiet
lock:  ## resolve pyproject.toml again (needs uv)
	$(LOCK) --extra dev -o requirements-dev.lock
	$(LOCK) -c requirements-dev.lock -o requirements.lock
	$(LOCK) -c requirements-dev.lock --extra training -o requirements-training.lock

CHANNEL ?= conda-forge
pin-envs: .venv/dev  ## full pins of the conda environments (CHANNEL="folder ..." for saved records)
	$(BIN)/python -m reben.pin_envs --channel $(CHANNEL) --envs envs/*.yaml

clean:  ## remove files of the demo and the tools, but not .venv
	rm -rf demo demo-world .snakemake .pytest_cache .mypy_cache .ruff_cache .hypothesis
