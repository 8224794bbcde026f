# Every target sets up what it needs first; nothing has to be installed by hand.
PYTHON ?= python3
PYTEST_ARGS ?=
VENV := .venv
READY := $(VENV)/ready
PIP := $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check

# An unfinished environment, one made in another folder and one whose Python is gone
# would fail in odd ways later: forget its stamp, and set-up starts from nothing.
ifneq ($(shell $(VENV)/bin/python -c "import pip" 2>/dev/null && cat $(READY) 2>/dev/null),$(CURDIR))
$(shell rm -f $(READY))
endif

.PHONY: setup demo test test-all lint format types bench docs clean

setup: $(READY)

$(READY): pyproject.toml solvers/install.py
	$(PYTHON) solvers/install.py --venv $(VENV)
	rm -f $@
	$(PIP) -e ".[test,dev]"
	$(VENV)/bin/python solvers/install.py
	$(VENV)/bin/hybridopt ed unit3 --demand 850 --json > /dev/null # numba compiles its kernels, once
	$(VENV)/bin/hybridopt reconfigure civanlar16 --json --quiet > /dev/null
	$(VENV)/bin/hybridopt reconfigure civanlar16 --dg 1 --json --quiet > /dev/null
	$(VENV)/bin/hybridopt allocate lv18 --population 2 --generations 1 --json --quiet > /dev/null
	echo "$(CURDIR)" > $@

demo: $(READY)
	$(VENV)/bin/hybridopt run ieee30 --out results/demo --force

test: $(READY)
	$(VENV)/bin/python -m pytest -n auto --dist loadfile -m "not slow" $(PYTEST_ARGS)

test-all: $(READY)
	$(VENV)/bin/python -m pytest $(PYTEST_ARGS)

lint: $(READY)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

format: $(READY)
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

# mypy and pdoc lose their way in a checkout, whose __path__ leads back to its root, so they
# read a throwaway installation.
# build/ goes first: modules left there by an earlier build would be installed again.
COPY = rm -rf build && $(PIP) --no-deps --target build/copy . && cd build/copy

types: $(READY)
	$(COPY) && ../../$(VENV)/bin/mypy --config-file ../../pyproject.toml --cache-dir ../../.mypy_cache -p hybridopt

docs: $(READY)
	$(PIP) -e ".[docs]"
	$(COPY) && ../../$(VENV)/bin/python -m pdoc --docformat numpy --math --output-directory ../docs hybridopt

bench: $(READY)
	$(VENV)/bin/python -m benchmarks

# Leaves .venv and results alone.
clean:
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path "./$(VENV)/*" -prune -exec rm -rf {} +
