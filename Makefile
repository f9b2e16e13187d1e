# Two commands matter: `make run` serves the shipped model, `make test` runs the tests.
# Another Python than python3 is named so: make run PYTHON=python3.12

PYTHON ?= python3
SERVING := .venv
DEVELOPMENT := .venv-dev
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check
LOCKED := --constraint requirements.lock
ALL := --editable '.[cpu,plot,training,dev]'

.PHONY: run dev test check lock python

# serves on http://127.0.0.1:8000, or the port in EARMARK_PORT
run: $(SERVING)/.installed
	@exec $(SERVING)/bin/earmark serve

# what training and the tests need
dev: $(DEVELOPMENT)/.installed

# some of the tests: make test ARGS=tests/unit
test: $(DEVELOPMENT)/.installed
	@$(DEVELOPMENT)/bin/python -m pytest $(ARGS)

check: $(DEVELOPMENT)/.installed
	$(DEVELOPMENT)/bin/ruff check .
	$(DEVELOPMENT)/bin/ruff format --check .
	$(DEVELOPMENT)/bin/pyright --pythonpath $(DEVELOPMENT)/bin/python
	$(DEVELOPMENT)/bin/lint-imports

# renews requirements.lock with the newest versions that fit together; torch stays, without its build (+cpu, +cu130)
lock: | python
	$(PYTHON) -m venv --clear .venv-lock
	grep '^torch==' requirements.lock > .venv-lock/kept
	.venv-lock/bin/python $(PIP_INSTALL) --constraint .venv-lock/kept $(ALL)
	.venv-lock/bin/python -m pip freeze --all --exclude pip --exclude-editable | sed '/^torch==/s/+.*//' > .venv-lock/lock
	mv .venv-lock/lock requirements.lock
	rm -r .venv-lock

$(SERVING)/.installed: pyproject.toml requirements.lock | python
	@echo 'Installing what serving needs into $(SERVING) ...'
	@$(PYTHON) -m venv $(SERVING)
	@$(SERVING)/bin/python $(PIP_INSTALL) $(LOCKED) --editable '.[cpu,plot]'
	@touch $@

$(DEVELOPMENT)/.installed: pyproject.toml requirements.lock | python
	@echo 'Installing what training and the tests need into $(DEVELOPMENT) ...'
	@$(PYTHON) -m venv $(DEVELOPMENT)
	@$(DEVELOPMENT)/bin/python $(PIP_INSTALL) $(LOCKED) $(ALL)
	@touch $@

python:
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Earmark needs Python 3.11 or newer; \
	$(PYTHON) is %d.%d. Name another: make PYTHON=python3.12" % sys.version_info[:2])'
