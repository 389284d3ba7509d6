# `make help` lists the targets. Everything is installed into .venv from the hash-pinned locks in requirements/.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

BIN := .venv/bin
ARGS ?=

# A Python from 3.11 to 3.13: PYTHON=… chooses one, otherwise the first on the path.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && { echo $$p; break; }; done)

# uv from the path, or else our own in .tools (pip's --target works where a system's pip refuses to install).
UV := $(shell command -v uv 2>/dev/null || echo .tools/bin/uv)

LOCK := $(UV) pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-annotate --custom-compile-command "make lock"

.PHONY: help install dev demo test chaos bench lint format docs lock clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):[^#]*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

install: .venv/.light ## create .venv with the light set: no torch, no Docker, no Java
	@echo "presscheck is installed: $(BIN)/presscheck --help"

dev: .venv/.dev ## install everything: model extras, test tools, checkers

demo: .venv/.light ## run the whole pipeline on a campaign, and show before and after
	@$(BIN)/presscheck demo $(ARGS)

test: .venv/.dev ## run every test, gates included (ARGS="tests/unit -k codec" for some)
	@$(BIN)/pytest $(ARGS)

chaos: .venv/.dev ## kill, freeze and restart things under load; count every job
	@$(BIN)/pytest tests/chaos $(ARGS)

# One that misses a promise does not keep the others from being measured; all that did are named at the end.
bench: .venv/.light ## measure stack, path, engine use, inspection, rules, what-if, roll-outs, schedulers
	@missed=; for what in stack path duty inspect rules what-if rollout $$([ ! -e .venv/.dev ] || echo schedulers); do \
		echo "bench $$what"; \
		$(BIN)/presscheck bench $$what || { [ $$? = 1 ] || exit 2; missed+=" $$what"; }; \
	done; \
	[ -e .venv/.dev ] || echo "bench schedulers needs make dev"; \
	[ -z "$$missed" ] || { echo "these miss a promise:$$missed" >&2; exit 1; }

lint: .venv/.dev ## run the gates: ruff, pyright, import-linter, vulture, coverage and ours
	@$(BIN)/pytest tests/gates $(ARGS)

format: .venv/.dev ## format the code
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

docs: .venv/.dev ## draw what is generated: topics, AsyncAPI, settings, the diagram
	@$(BIN)/python -m schemas.docs
	@$(BIN)/python -m ops.settings_docs

# The larger set is resolved first and binds the smaller ones, so that installing one never changes another.
lock: $(UV) ## resolve the requirement locks again
	@$(LOCK) --group build --group dev --extra models --output-file requirements/dev.txt $(ARGS)
	@$(LOCK) --group build --extra models --constraints requirements/dev.txt --output-file requirements/models.txt
	@$(LOCK) --group build --constraints requirements/dev.txt --output-file requirements/light.txt
	@echo uv | $(UV) pip compile - --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-emit-find-links --no-annotate --custom-compile-command "make lock" --output-file requirements/uv.txt

clean: ## remove what was installed and cached here (the state folder .presscheck stays)
	@rm -rf .venv .tools build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache .coverage

.venv/bin/python: | $(UV)
	@if [ -z "$(PYTHON)" ]; then echo "make: no Python from 3.11 to 3.13 on the path; set PYTHON=…" >&2; exit 2; fi
	@"$(UV)" venv --quiet --allow-existing --python "$$($(PYTHON) -c 'import sys; print(sys.executable)')" .venv

.venv/.light: requirements/light.txt pyproject.toml | .venv/bin/python
	@echo "installing the light set into .venv"
	@"$(UV)" pip install --quiet --python $(BIN)/python --require-hashes -r requirements/light.txt
	@"$(UV)" pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

.venv/.dev: requirements/dev.txt .venv/.light
	@echo "installing the model extras and the test tools into .venv"
	@"$(UV)" pip install --quiet --python $(BIN)/python --require-hashes -r requirements/dev.txt
	@touch $@

.tools/bin/uv: requirements/uv.txt
	@if [ -z "$(PYTHON)" ]; then echo "make: no Python from 3.11 to 3.13 on the path; set PYTHON=…" >&2; exit 2; fi
	@echo "installing uv into .tools"
	@$(PYTHON) -m pip install --quiet --upgrade --target .tools --require-hashes -r requirements/uv.txt 2>/dev/null \
		|| { $(PYTHON) -m venv .tools && .tools/bin/pip install --quiet --require-hashes -r requirements/uv.txt; }
	@touch $@
