# `make quickstart` trains on the embedded dataset; `make test` passes the tests. Both set themselves up.
# More options go into ARGS: make quickstart ARGS="--trainer.max_epochs 3"
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# A terminal sees how far it is; a log stays short.
BRIEF = $$([ -t 2 ] || echo --quiet) --disable-pip-version-check

.PHONY: quickstart test clean

quickstart: $(VENV)/installed
	$(BIN)/python main.py fit --config configs/quickstart.yaml $(ARGS)
	@echo "To go on: . $(BIN)/activate, and python is this one."

test: $(VENV)/installed-dev
	$(BIN)/python -m pytest -n 2 $(ARGS)

$(BIN)/python:
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "Needs Python's venv module: on Debian, apt-get install python3-venv"; exit 1; }

$(VENV)/installed: pyproject.toml | $(BIN)/python
	@echo "Installing into $(VENV): some GB, some minutes$$([ -t 2 ] || echo ", in which pip says nothing") ..."
	@$(BIN)/python -m pip install $(BRIEF) -e .
	@touch $@

$(VENV)/installed-dev: pyproject.toml | $(BIN)/python
	@echo "Installing into $(VENV): some GB, some minutes$$([ -t 2 ] || echo ", in which pip says nothing") ..."
	@$(BIN)/python -m pip install $(BRIEF) -e .[dev,ray]
	@touch $@ $(VENV)/installed

clean:
	rm -rf $(VENV) build *.egg-info
