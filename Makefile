# Every target does its own set-up in .venv; a second call installs nothing.
VENV = .venv
PYTHON = $(VENV)/bin/python
INSTALLED = $(VENV)/.installed
INSTALLED_ALL = $(VENV)/.installed-all
TORCH = torch==2.13.0
OLDEST_KERAS = 3.15.0
# side by side, a file's tests in one process: most of a test is Keras's Python, on one core
PYTEST = $(PYTHON) -m pytest --numprocesses logical --maxprocesses 4 --dist loadfile --durations 15
export TF_CPP_MIN_LOG_LEVEL = 2

.PHONY: help demo test test-all test-rest soak lint format package index clean

help:
	@echo "make demo      train a network that enlarges photographs, and show what it does"
	@echo "make test      the tests, with TensorFlow"
	@echo "make test-all  the tests, compared with JAX and PyTorch too"
	@echo "make test-rest what make test left out of them"
	@echo "make soak      a training killed 100 times ends with the same bytes"
	@echo "make lint      style, and the types of public names;  make format  mends style"
	@echo "make package   build the wheel and try it in an empty environment"
	@echo "make index     list saved_models/ in the index that the wheel ships"
	@echo "make clean     remove .venv (data/ and runs/ stay)"

demo: $(INSTALLED)
	@$(PYTHON) -m dnzoo demo

test: $(INSTALLED)
	@echo "Testing: 8 to 18 minutes on 2 cores."
	@$(PYTEST)

test-all: $(INSTALLED_ALL)
	@echo "Testing on TensorFlow, JAX and PyTorch: 14 to 28 minutes on 2 cores."
	@DNZOO_TEST_ALL=1 $(PYTEST)

test-rest: $(INSTALLED_ALL)
	@echo "Testing what make test skipped: 10 to 30 minutes on 2 cores."
	@DNZOO_TEST_ALL=rest $(PYTEST)

soak: $(INSTALLED)
	@echo "Killing a run 100 times in each precision: 5 to 10 minutes on 2 cores."
	@DNZOO_TEST_ALL=1 DNZOO_KILLS=100 $(PYTHON) -m pytest tests/training/test_interruption.py -k killed

lint: $(INSTALLED)
	@$(PYTHON) -m ruff check . && $(PYTHON) -m ruff format --check .
	@$(PYTHON) tests/check_types.py

format: $(INSTALLED)
	@$(PYTHON) -m ruff check --fix . && $(PYTHON) -m ruff format .

package: $(INSTALLED)
	@sh tests/package.sh "$(PYTHON)" $(OLDEST_KERAS)

index: $(INSTALLED)
	@$(PYTHON) saved_models/make_index.py

clean:
	@if [ -e $(VENV) ] && [ ! -e $(VENV)/.made-by-make ]; then \
	  echo "$(VENV) is not of this Makefile: it is left alone." >&2; exit 1; fi
	rm -rf $(VENV)

# The stamp is written last. A failed or interrupted install removes what it made; one that was
# killed is recognised by the missing stamp. A .venv that make did not make is left alone.
$(INSTALLED): pyproject.toml
	@set -e; python=; \
	for candidate in python3.13 python3.12 python3.11 python3; do \
	  if $$candidate -c 'import sys, ensurepip, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; \
	  then python=$$candidate; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
	  echo "dnzoo needs Python 3.11, 3.12 or 3.13 with venv (Debian: apt install python3-venv); found: $$(python3 -V 2>&1 | tail -n 1)." >&2; exit 1; fi; \
	if [ -e $(VENV) ] && [ ! -e $(VENV)/.made-by-make ]; then \
	  echo "$(VENV) is there and not of this Makefile: move it, or say make VENV=another." >&2; exit 1; fi; \
	echo "Installing into $(VENV) with $$($$python -V): 3 GB of disk, 1 to 5 minutes."; \
	trap 'test -e $(INSTALLED) || rm -rf $(VENV)' EXIT; trap 'exit 130' INT TERM HUP; \
	rm -rf $(VENV); mkdir $(VENV); touch $(VENV)/.made-by-make; \
	$$python -m venv $(VENV); \
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --editable ".[dev]"; \
	touch $(INSTALLED)

$(INSTALLED_ALL): $(INSTALLED)
	@echo "Installing JAX and PyTorch into $(VENV): 1.5 GB more, 1 to 3 minutes."
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check $(TORCH)
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --editable ".[dev,jax,torch]"
	@touch $(INSTALLED_ALL)
