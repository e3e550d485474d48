# Everything happens in .venv; the first use of a command installs what it needs.
PYTHON ?= python3
# For PyTorch's CPU build on Linux: make install TORCH_INDEX=https://download.pytorch.org/whl/cpu
TORCH_INDEX ?=

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet -c constraints.txt
STAMPS := $(VENV)/.installed

.PHONY: install demo test check bench docs clean help

help:
	@echo "make install install into .venv; the command is then .venv/bin/latentia"
	@echo "make demo    install, train on embedded data, write demo/report.html"
	@echo "make test    install what tests need and run them"
	@echo "make check   format, lint, types, layers"
	@echo "make bench NAME=speed [ARGS=--quick]"
	@echo "make docs    build the documentation into site/"

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v <= (3, 13) else "Latentia needs Python 3.11 to 3.13, and this is %d.%d; name another with: make ... PYTHON=python3.12" % v)'
	$(PYTHON) -m venv $(VENV)

# The CPU build of PyTorch comes first, so that nothing else pulls in a larger one.
$(STAMPS)/torch: constraints.txt | $(VENV)/bin/python
	@mkdir -p $(STAMPS)
	$(PIP) torch $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX))
	@touch $@

$(STAMPS)/core: $(STAMPS)/torch pyproject.toml constraints.txt
	$(PIP) -e .
	@touch $@

$(STAMPS)/%: $(STAMPS)/core
	$(PIP) -e ".[$*]"
	@touch $@

install: $(STAMPS)/core

demo: $(STAMPS)/espeak
	$(BIN)/latentia demo -o demo

test: $(STAMPS)/test
	@# two workers with a thread each: more threads than cores would only wait for each other
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

check: $(STAMPS)/check
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright -p .
	$(BIN)/lint-imports

bench: $(STAMPS)/bench
	$(BIN)/python -m benchmarks.$(NAME) $(ARGS)

docs: $(STAMPS)/docs
	$(BIN)/python -m mkdocs build --strict --quiet

clean:
	rm -rf $(VENV) site demo
