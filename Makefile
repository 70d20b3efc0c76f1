# On a machine with Python 3.11 and nothing else: `make run` or `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RESULTS ?= results
# The models' environments and datasets go to the user's cache; FORCEGAUGE_CACHE moves them.

.PHONY: install run test check docs clean

install: $(VENV)/installed

$(VENV)/installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "forcegauge needs Python 3.11 or newer: make PYTHON=python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

# CHGNet and SevenNet-0 through the quick suite, and a report at the end.
run: install
	$(BIN)/forcegauge run --models chgnet,sevennet-0 --suite quick --results $(RESULTS)
	$(BIN)/forcegauge rank $(RESULTS)
	$(BIN)/forcegauge report $(RESULTS) --output report.html

check: install
	$(BIN)/ruff check src tests tools
	$(BIN)/ruff format --check src tests tools
	$(BIN)/mypy

test: check
	$(BIN)/pytest -m "not slow and not real_model and not installed_model and not browser"

docs: install
	$(BIN)/python tools/make_docs.py

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
