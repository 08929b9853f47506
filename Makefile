# Everything here sets itself up: the first target you run makes .venv from requirements.lock.
#   make PYTHON=/path/to/python3.12 ...   to choose the Python that .venv is made with
#   make test ARGS="-k mixtures"          to pass something on (lab, test, check, notebooks, site, rooms, bench)

SHELL := /bin/sh
BIN := .venv/bin
READY := .venv/.kdlab-ready
PYTHON ?= python3.11 python3.12 python3.13 python3.14 python3
ALLOW_ROOT := $(if $(filter 0,$(shell id -u)),--allow-root)

# Numbers and timings that do not depend on how many cores are free.
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1

# Two processes run the tests; a module's stay together, as they share what is dear to make.
TWO := -n 2 --dist loadscope --no-loadscope-reorder

# Set-up compiles nothing ahead, so what Python compiles when it first meets it must be kept.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup lab test lint check notebooks site stills rooms sweeps bench lm gpu gpu-short lock clean

help:  ## Say what the targets are (this)
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 14

lab: setup  ## Open JupyterLab on the first notebook (this machine only, with Jupyter's token)
	$(ONE_THREAD) $(BIN)/jupyter lab --ServerApp.ip=127.0.0.1 --ServerApp.root_dir=. \
	  --LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb $(ALLOW_ROOT) $(ARGS)

test: setup  ## Run every test: the package, the pages in Chromium and Firefox, the notebooks
	$(ONE_THREAD) $(BIN)/python -m pytest $(TWO) --nbval-lax --nbval-cell-timeout=120 tests notebooks $(ARGS)

lint: setup  ## Lint, types, and which room may import which
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

check: lint  ## Lint, types, rooms and the fast tests
	$(ONE_THREAD) $(BIN)/python -m pytest $(TWO) -m "not browser and not slow" tests $(ARGS)

notebooks: setup  ## Run the committed notebooks again and write them without what changes by chance
	$(ONE_THREAD) $(BIN)/python notebooks/build.py $(ARGS)

site: setup  ## Build the static site in site/, live without Python (Chromium films the header figure again if it changed)
	$(ONE_THREAD) $(BIN)/python notebooks/publish.py $(ARGS)

stills: setup  ## Draw again what notebooks show before a slider moves (kdlab/data/stills), then run `make notebooks`
	$(ONE_THREAD) $(BIN)/python scripts/make_stills.py

rooms: setup  ## Draw again the picture of the package that CONTRIBUTING.md opens with
	$(BIN)/python scripts/draw_rooms.py $(ARGS)

sweeps: setup  ## Compute the committed sweeps again (kdlab/data; minutes)
	$(ONE_THREAD) $(BIN)/python scripts/make_sweeps.py $(ARGS)
	$(ONE_THREAD) $(BIN)/python scripts/make_text.py

bench: setup  ## Measure how fast the picture follows a key press (needs Chromium; leave the machine alone)
	$(ONE_THREAD) $(BIN)/python benchmarks/latency.py $(ARGS)

setup: $(READY)  ## Make or update .venv (the other targets do this for you)

$(READY): requirements.lock pyproject.toml setup.py $(wildcard kdlab/pictures/labextension/*)
	@set -e; old=; bare=; found=; \
	for python in $(PYTHON); do \
	  "$$python" -c 'import sys' 2>/dev/null || continue; \
	  "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { old="$$old $$python"; continue; }; \
	  "$$python" -c 'import venv, ensurepip' 2>/dev/null || { bare="$$bare $$python"; continue; }; \
	  found="$$python"; break; \
	done; \
	if [ -z "$$found" ] && [ -n "$$bare" ]; then \
	  echo "make: no Python that can make a virtual environment:$$bare lacks venv or ensurepip." >&2; \
	  echo "      On Debian or Ubuntu: sudo apt-get install python3-venv. Then run make again." >&2; exit 1; \
	fi; \
	if [ -z "$$found" ]; then \
	  echo "make: kdlab needs Python 3.11 or newer; too old here:$${old:- (no Python at all)}." >&2; \
	  echo "      Install one (on Debian: sudo apt-get install python3 python3-venv), or name one:" >&2; \
	  echo "      make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)" >&2; exit 1; \
	fi; \
	echo "Setting up .venv with $$found: one or two minutes the first time."; \
	"$$found" -m venv .venv
	@# What is never imported need not be compiled. The lock is whole, so there is nothing to resolve, no order to keep,
	@# and two installers with half of it each take half the time.
	@grep -v '^#' requirements.lock | awk '{ print > (".venv/.half-" NR % 2) }'
	@half="$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --no-deps -r .venv/.half-"; \
	failed=; $${half}0 & other=$$!; $${half}1 || failed=1; wait $$other || failed=1; test -z "$$failed"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@mkdir -p .venv/share/jupyter/lab/settings
	@printf '%s\n' '{"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": false}}' \
	  > .venv/share/jupyter/lab/settings/overrides.json
	@touch $@

lm: setup  ## Add PyTorch and transformers, for notebook 06 and `kdlab run` (gigabytes on Linux)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile -r requirements-lm.lock

# What wants a GPU at all, said before anything else is done.
HAS_GPU := $(BIN)/python -c "import sys, torch; torch.cuda.is_available() or sys.exit('make: no GPU here that PyTorch can use')"

gpu: lm  ## On a machine with a GPU: run the preset gpu, record it for notebook 07, and measure (benchmarks/lm.md)
	$(HAS_GPU)
	$(BIN)/kdlab fetch smollm2
	$(BIN)/kdlab run --preset gpu --out runs/gpu
	$(BIN)/python notebooks/record.py run runs/gpu
	$(BIN)/python benchmarks/lm.py

gpu-short: lm  ## The same for a GPU lent by the minute: short tables, then one training after the other, each recorded at its end
	$(HAS_GPU)
	$(BIN)/kdlab fetch smollm2
	-$(BIN)/python benchmarks/lm.py --short
	for seeds in 1 2 3; do \
	  $(BIN)/kdlab run --preset gpu --set seeds=$$seeds --no-notebooks --yes --out runs/gpu && \
	  $(BIN)/python notebooks/record.py run runs/gpu || exit 1; done

COMPILE := uv pip compile --quiet --universal --python-version 3.11.2 --no-annotate \
  --custom-compile-command "make lock" pyproject.toml

lock:  ## Resolve both lock files again from pyproject.toml (needs uv)
	@command -v uv >/dev/null || { echo "make: lock needs uv: pip install uv, then run make lock again." >&2; exit 1; }
	$(COMPILE) --extra lab --extra site --extra test -o requirements.lock $(ARGS)
	$(COMPILE) --extra lm -c requirements.lock -o requirements-lm.lock $(ARGS)
	@# torch names its own CUDA packages, exactly; a machine without a GPU must not be made to take them.
	sed -i.old -E '/^(cuda|nvidia|triton)/d' requirements-lm.lock && rm requirements-lm.lock.old

clean:  ## Remove .venv and what the tools left behind
	rm -rf .venv build dist site *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis .import_linter_cache
