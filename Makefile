# Every target sets up what it needs first; nothing has to be installed by hand.
PYTHON ?= python3
PYTEST_ARGS ?=
VENV := .venv
READY := $(VENV)/ready

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
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -e ".[test,dev]"
	$(VENV)/bin/python solvers/install.py
	echo "$(CURDIR)" > $@

demo: $(READY)
	$(VENV)/bin/hybridopt run ieee30 --out results/demo --force

test: $(READY)
	$(VENV)/bin/python -m pytest -m "not slow" $(PYTEST_ARGS)

test-all: $(READY)
	$(VENV)/bin/python -m pytest $(PYTEST_ARGS)

lint: $(READY)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

format: $(READY)
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

# mypy sees neither __path__ nor the editable finder, so it reads a throwaway installation.
# build/ goes first: modules left there by an earlier build would be installed again.
types: $(READY)
	rm -rf build
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --target build/types .
	cd build/types && ../../$(VENV)/bin/mypy --config-file ../../pyproject.toml --cache-dir ../../.mypy_cache -p hybridopt

bench: $(READY)
	$(VENV)/bin/python -m benchmarks

docs: $(READY)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -e ".[docs]"
	$(VENV)/bin/pdoc --docformat numpy --math --output-directory build/docs hybridopt

# Leaves .venv and results alone.
clean:
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path "./$(VENV)/*" -prune -exec rm -rf {} +
