# Two commands do everything: `make figures` and `make test`. `make help` lists the rest.
# STUDY=name runs studies/name.yaml instead of the default study.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
UV_VERSION := 0.13.8
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
export UV_PROJECT_ENVIRONMENT := .venv
# Threads that wait must not burn the core that another job needs.
export OMP_WAIT_POLICY := PASSIVE
# Every job imports torch and timm; compiled once, that takes half as long.
unexport PYTHONDONTWRITEBYTECODE

STUDY ?= quickstart
# Recipes see what the user types as variables of the shell, in quotes, so that none of it is ever run.
export STUDY DEVICE DEST A B
ifneq (,$(findstring $$,$(value STUDY)$(value DEVICE)$(value DEST)$(value A)$(value B)))
$(error STUDY, DEVICE, DEST, A and B are names without a dollar sign)
endif
OVERLAY := $(if $(filter quickstart,$(STUDY)),,--configfile "studies/$$STUDY.yaml")
SNAKEMAKE = snakemake $(OVERLAY)
STAGES := $(if $(OVERLAY),studies/$$STUDY/)dvc.yaml
ifndef B
B := results/$(STUDY)
endif

.PHONY: help figures status verify dry-run plan calibrate mirror tune paper repro track compare test faults lint audit format schema docs

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

.venv/installed: pyproject.toml uv.lock
	@echo "installing the locked environment into .venv: 7 GB, some minutes, once"
	@test -x $(BIN)/uv || { python3 -m venv .venv && $(BIN)/pip install --quiet uv==$(UV_VERSION); }
	@$(BIN)/uv sync --frozen --quiet
	@touch $@

# AdapterHub, the oracle of some strategies, needs an older transformers: it has an environment of its own.
.venv-adapterhub/installed: pyproject.toml uv.lock | .venv/installed
	@UV_PROJECT_ENVIRONMENT=.venv-adapterhub $(BIN)/uv sync --frozen --quiet --only-group adapterhub
	@touch $@

figures: .venv/installed ## every figure, table and the report of STUDY (default: quickstart)
	@python -m workflow_scripts.check_study --to-run --name "$$STUDY" params.yaml $(OVERLAY:--configfile=)
	@echo "how far it is, from another terminal: make status$(if $(OVERLAY), STUDY=$$STUDY)"
	@# Counting a model for the first time takes longer than starting: the disk is checked beside it, and can stop it.
	@(python -m workflow_scripts.plan --disk params.yaml $(OVERLAY:--configfile=) || kill $$$$) & exec $(SNAKEMAKE)
	@$(MAKE) --no-print-directory "results/$$STUDY/report.html"
	@python -m workflow_scripts.left_out "results/$$STUDY"
	@echo "start here: results/$$STUDY/explorer.html   figures: results/$$STUDY/figures   tables:" \
	  "results/$$STUDY/tables   report: results/$$STUDY/report.html"

results/%/report.html: $(wildcard results/$(STUDY)/figures/* results/$(STUDY)/tables/* report/*)
	@$(SNAKEMAKE) --report "results/$$STUDY/.report.html" --quiet all
	@mv "results/$$STUDY/.report.html" "results/$$STUDY/report.html"
	@python -m workflow_scripts.seal_report "results/$$STUDY/report.html"

verify: .venv/installed ## compare every file of STUDY with what the job that made it recorded
	@python -m workflow_scripts.verify params.yaml $(OVERLAY:--configfile=)

dry-run: .venv/installed ## what `make figures` would run, and why
	@$(SNAKEMAKE) --dry-run

status: .venv/installed ## what of STUDY is done, at work or failed, and the time left
	@python -m workflow_scripts.status params.yaml $(OVERLAY:--configfile=)

plan: .venv/installed ## what STUDY will cost: jobs, disk, and hours here or on DEVICE=name
	@python -m workflow_scripts.plan --device "$$DEVICE" params.yaml $(OVERLAY:--configfile=)

calibrate: .venv/installed ## measure this machine with STUDY's backbones, for `make plan`
	@python -m benchmarks.calibrate params.yaml $(OVERLAY:--configfile=)

mirror: .venv/installed ## gather all that STUDY needs in the folder DEST, for machines without internet
	@python -m workflow_scripts.mirror --dest "$$DEST" params.yaml $(OVERLAY:--configfile=)

tune: .venv/installed ## search learning rates for STUDY on validation images, and use them from then on
	@$(SNAKEMAKE) tuned
	@python -m workflow_scripts.write_tuned params.yaml $(OVERLAY:--configfile=)
	@test ! -e "$(STAGES)" || python -m workflow_scripts.track params.yaml $(OVERLAY:--configfile=)

paper: .venv/installed ## docs/paper with STUDY's figures, tables and numbers, as PDF (needs LaTeX)
	@if command -v latexmk > /dev/null && command -v pdflatex > /dev/null; then $(SNAKEMAKE) "results/$$STUDY/paper.pdf"; \
	else echo "paper skipped, as there is no LaTeX here; on Debian:" \
		"apt-get install texlive-latex-recommended texlive-fonts-recommended latexmk"; fi

repro: .venv/installed ## STUDY through DVC: runs what changed, records the versions
	@python -m workflow_scripts.unlock_dvc
	@python -m workflow_scripts.track params.yaml $(OVERLAY:--configfile=)
	@dvc repro "$(STAGES)"

track: .venv/installed ## write the DVC stages that version STUDY
	@python -m workflow_scripts.track params.yaml $(OVERLAY:--configfile=)

compare: .venv/installed ## results of STUDY at the commits A and B, in Markdown (B: by default, what lies here)
	@python -m workflow_scripts.compare --study "$$STUDY" "$$A" "$$B"

test: .venv/installed .venv-adapterhub/installed ## all tests
	@OMP_NUM_THREADS=1 pytest --numprocesses=auto --maxprocesses=4 --dist=loadfile

faults: .venv/installed ## kill, starve and hang the workflow, many times over: the fault tests in full
	@TRADEOFF_FAULTS=full OMP_NUM_THREADS=1 pytest tests/faults

lint: .venv/installed ## formatters, linters, types, schema
	ruff format --check .
	ruff check .
	snakefmt --check Snakefile rules
	hadolint container/Dockerfile
	snakemake --lint
	mypy
	python -m tradeoff.params.schema --check

audit: .venv/installed ## known vulnerabilities of the locked packages, where the network has their advisories
	@python .ci/audit.py

format: .venv/installed ## format all code
	ruff format .
	ruff check --fix .
	snakefmt Snakefile rules

schema: .venv/installed ## schemas/params.schema.json from the registries
	python -m tradeoff.params.schema

docs: .venv/installed ## the documentation as a site that opens offline: site/index.html
	python -m docs.generate
	NO_MKDOCS_2_WARNING=1 mkdocs build --strict --quiet
