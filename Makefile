# Two commands matter: `make run` serves the shipped model, `make test` runs the tests.
PYTHON ?= python3
SERVING := .venv
DEVELOPMENT := .venv-dev
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check -c requirements.lock

.PHONY: run test check

run: $(SERVING)/.installed
	$(SERVING)/bin/earmark serve

test: $(DEVELOPMENT)/.installed
	$(DEVELOPMENT)/bin/python -m pytest

check: $(DEVELOPMENT)/.installed
	$(DEVELOPMENT)/bin/ruff check .
	$(DEVELOPMENT)/bin/ruff format --check .
	$(DEVELOPMENT)/bin/pyright --pythonpath $(DEVELOPMENT)/bin/python
	$(DEVELOPMENT)/bin/lint-imports

$(SERVING)/.installed: pyproject.toml requirements.lock
	$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "Python 3.11 or later is needed; this is " + sys.version)'
	$(PYTHON) -m venv $(SERVING)
	$(SERVING)/bin/python $(PIP_INSTALL) -e '.[cpu,plot]'
	touch $@

$(DEVELOPMENT)/.installed: pyproject.toml requirements.lock
	$(PYTHON) -m venv $(DEVELOPMENT)
	$(DEVELOPMENT)/bin/python $(PIP_INSTALL) torch==2.13.0
	$(DEVELOPMENT)/bin/python $(PIP_INSTALL) -e '.[cpu,plot,training,dev]'
	touch $@
