AIRFLOW := .venvs/airflow/bin
TFX := .venvs/tfx/bin
COMMAND := $(AIRFLOW)/nightlite
UV := $(shell command -v uv || echo .venvs/tools/bin/uv)
LOCK := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header

# Several targets side by side, all of them whatever the others say, each one's output in one piece when it ends.
JOBS ?= 3
SIDE_BY_SIDE = $(MAKE) --no-print-directory --keep-going --jobs=$(JOBS) \
  $(if $(filter output-sync,$(.FEATURES)),--output-sync=target) IS_SIDE_BY_SIDE=yes

# Uncompiled, each import of TFX takes 48 s of CPU instead of 17.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
ifndef IS_SIDE_BY_SIDE
.NOTPARALLEL:
endif
LINTS := lint-ruff lint-docs lint-english lint-fence lint-airflow lint-tfx
CHECKS := check-tfx check-airflow
# The longest first.
FAULTS := test-tfx-faults test-kills test-airflow-faults
TESTS := test-compose test-end-to-end test-tfx test-airflow $(FAULTS) test-wheel
SLOWEST := --durations=15 --durations-min=3
# Linux's scheduler counts all containers as one: beside two busy others, the longest part would get a third of its time.
BESIDE := nice -n 10
.PHONY: help setup demo up down compile env image compose-demo compose-test check test test-faults test-next-airflow test-engine audit lint docs bench bench-quick web lock screenshots tensorboard $(LINTS) $(CHECKS) $(TESTS)

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-17s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## make or update the two environments in .venvs/
	@setup/setup.sh

demo: setup ## set up, run the pipeline once under Airflow, show the outcome (MODEL=its name, DATASET=a source of 'nightlite ingest', or a folder)
	@$(COMMAND) demo

up: setup ## start Airflow on 127.0.0.1
	@$(COMMAND) up

down: ## stop Airflow and all that it started
	@[ ! -x $(COMMAND) ] || $(COMMAND) down

compile: setup ## write the compiled pipelines that the DAGs read
	@$(TFX)/python -m nightlite.deployment.in_tfx.compile

env: ## write the secrets that docker compose needs to .env, unless they are there
	@python3 docker/make_env.py

image: ## build the containers' image, with the revision that it is of
	@REVISION=$$(git describe --always --dirty --abbrev=40 --exclude='*' 2>/dev/null) docker compose build init

compose-demo: env image ## the demo in containers: build the image, start everything, one run, the outcome; needs only Docker
	@docker compose up -d --wait
	@docker compose run --rm --no-deps $(if $(MODEL),-e MODEL) init python -m nightlite.deployment.containers.demo

compose-test: setup test-compose ## prove the containers with a real Docker engine, half an hour; `make test` does so, too

check: setup ## lint and the unit tests of both sides, which start no Airflow: three minutes at most
	@$(SIDE_BY_SIDE) $(CHECKS) $(LINTS)

test: setup ## everything: lint, tests of both sides, real runs under a real Airflow, side by side (JOBS=3)
	@$(SIDE_BY_SIDE) $(LINTS) $(TESTS)

AIRFLOW_SIDE := tests/foundation tests/runner tests/ondevice tests/deployment tests/setup tests/bench tests/docker --ignore-glob='*/in_tfx'
TFX_SIDE := tests/runner/in_tfx tests/ondevice/in_tfx tests/models tests/bench/in_tfx
check-airflow:
	@$(AIRFLOW)/python -m pytest $(AIRFLOW_SIDE) --ignore-glob='*/slow'
check-tfx:
	@$(TFX)/python -m pytest $(TFX_SIDE) --ignore-glob='*/slow'
test-airflow:
	@$(BESIDE) $(AIRFLOW)/python -m pytest $(SLOWEST) $(AIRFLOW_SIDE)
test-airflow-faults:
	@$(BESIDE) $(AIRFLOW)/python -m pytest $(SLOWEST) tests/faults/airflow
test-tfx:
	@$(BESIDE) $(TFX)/python -m pytest $(SLOWEST) $(TFX_SIDE)
test-tfx-faults:
	@$(BESIDE) $(TFX)/python -m pytest $(SLOWEST) tests/faults/tfx
test-compose:
	@$(AIRFLOW)/python -m pytest $(SLOWEST) tests/compose
# -rP: its log has the versions that PyPI resolved to.
test-wheel:
	@$(BESIDE) $(AIRFLOW)/python -m pytest $(SLOWEST) -rP tests/wheel
test-kills:
	@$(BESIDE) $(AIRFLOW)/python -m pytest $(SLOWEST) tests/faults/stack
test-end-to-end:
	@$(BESIDE) $(AIRFLOW)/python -m pytest $(SLOWEST) tests/end_to_end

test-faults: setup ## twice sixty kills, a year of nights, damaged data, models, disks and parameters: docs/faults.md (an hour at most)
	@export NIGHTLITE_TEST_KILLS=$${NIGHTLITE_TEST_KILLS:-60} NIGHTLITE_TEST_NIGHTS=$${NIGHTLITE_TEST_NIGHTS:-365}; \
	$(SIDE_BY_SIDE) $(FAULTS)

# Prism listens on every interface and cannot be told otherwise, so the engine gets a network of its own where it may.
PRISM := github.com/apache/beam/sdks/v2/go/cmd/prism@v2.77.0
ALONE := unshare --map-root-user --net
test-engine: setup ## the whole pipeline and kills of all kinds on another Beam engine, Prism, which needs Go; not in CI: docs/scale.md
	@command -v go >/dev/null || { echo "test-engine: expected Go on PATH, to install $(PRISM). Received: none" >&2; exit 2; }
	@[ -x .venvs/prism/bin/prism ] || GOBIN=$(CURDIR)/.venvs/prism/bin go install $(PRISM)
	@$$($(ALONE) true 2>/dev/null && echo $(ALONE)) sh -c 'ip link set lo up; exec "$$@"' - \
	  $(TFX)/python -m pytest --durations=0 --durations-min=1 -rP tests/engine

# In an environment of its own. The overrides stand for pyproject's pin of Airflow; all else of it holds.
NEXT_AIRFLOW := .venvs/next-airflow
test-next-airflow: setup ## the tests of Airflow's side on the newest 3.4 of PyPI, pre-releases too; not in CI
	@$(UV) venv --quiet --allow-existing --no-project --python $(AIRFLOW)/python $(NEXT_AIRFLOW)
	@$(UV) pip install --quiet --upgrade --python $(NEXT_AIRFLOW)/bin/python --override setup/next-airflow.txt \
	  --group dev --editable '.[airflow,celery]'
	@$(NEXT_AIRFLOW)/bin/python -c 'import importlib.metadata as m; print("Airflow", m.version("apache-airflow-core"))'
	@$(NEXT_AIRFLOW)/bin/python -m pytest tests/runner tests/ondevice tests/deployment --ignore-glob='*/in_tfx'

# --strict: a pin that the index of advisories does not know is a failure, and is named.
audit: setup ## both locks against known advisories, by pip-audit; not in CI
	@for lock in requirements.txt requirements-tfx.txt; do $(UV) run --quiet --no-project --with 'pip-audit>=2.9,<3' \
	  pip-audit --strict --progress-spinner=off --disable-pip --no-deps --requirement $$lock || exit; done

GENERATED := docs/run-parameters-and-gates.md docs/settings.md settings.env.example
docs: setup ## write the tables of parameters, gates and settings into docs/, and settings.env.example
	@$(AIRFLOW)/cog -r --verbosity=1 -I . $(GENERATED)

lint: setup ## ruff, the English, the fence between the two sides, mypy in both environments, and whether make docs would change anything
	@$(SIDE_BY_SIDE) $(LINTS)

lint-ruff:
	@$(AIRFLOW)/ruff check --quiet . && $(AIRFLOW)/ruff format --check --quiet .
lint-docs:
	@$(AIRFLOW)/cog --check --diff --verbosity=1 --check-fail-msg="run 'make docs'" -I . $(GENERATED)
# Spelling; then the words, and phrases of one line, for which docs/english.txt has a better one; then how docstrings open.
PROSE = $(shell git ls-files Makefile '*.py' '*.md' '*.j2' '*.js' '*.html' '*.sh' '*.toml' '*.yml' '*.example' docker/bin .ci)
lint-english:
	@$(AIRFLOW)/codespell $(PROSE)
	@$(AIRFLOW)/codespell --dictionary docs/english.txt $(PROSE) \
	  --regex "(?i)\b($$(cut -d- -f1 docs/english.txt | paste -sd'|'))\b(?! than)"
	@$(AIRFLOW)/python docs/docstrings.py $(filter %.py,$(PROSE))
# By reading the source alone: pyproject.toml, [tool.importlinter].
lint-fence:
	@$(AIRFLOW)/lint-imports --no-cache --no-logo
# Each side is checked where its packages are.
NIGHTLITE := pipeline_lib/nightlite
MYPY_TFX := $(NIGHTLITE)/deployment/in_tfx $(NIGHTLITE)/runner/in_tfx $(NIGHTLITE)/ondevice/in_tfx $(NIGHTLITE)/ondevice/feed $(NIGHTLITE)/ondevice/feed_client $(NIGHTLITE)/ondevice/releases $(NIGHTLITE)/litert.py pipeline_lib/models
MYPY_AIRFLOW := $(filter-out $(NIGHTLITE)/litert.py,$(wildcard $(NIGHTLITE)/*.py $(NIGHTLITE)/runner/*.py $(NIGHTLITE)/ondevice/*.py)) $(NIGHTLITE)/runner/in_airflow $(NIGHTLITE)/ondevice/feed $(NIGHTLITE)/ondevice/feed_client $(NIGHTLITE)/ondevice/gates $(NIGHTLITE)/ondevice/report $(NIGHTLITE)/ondevice/results $(NIGHTLITE)/ondevice/try_it $(NIGHTLITE)/ondevice/in_airflow $(filter-out %/in_tfx %/__pycache__,$(wildcard $(NIGHTLITE)/deployment/*))
lint-airflow:
	@$(AIRFLOW)/mypy --cache-dir .mypy_cache/airflow --explicit-package-bases setup/*.py docker/make_env.py docs/*.py web/*.py $(MYPY_AIRFLOW) dags bench/__main__.py bench/parse_folder.py
lint-tfx:
	@$(TFX)/mypy --cache-dir .mypy_cache/tfx $(MYPY_TFX) bench/tfx

bench: setup ## measure everything against its yardstick: a table, and var/bench.json (an hour at most; ONLY='dag_run ...')
	@$(AIRFLOW)/python -m bench $(if $(ONLY),--only $(ONLY))

web: ## build the runtime of the pages that run a model in a browser, from web/package-lock.json; needs npm
	@cd web && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error && node build.mjs

bench-quick: setup ## the DAG parse, the overheads and the whole run, in six minutes
	@$(AIRFLOW)/python -m bench --quick

tensorboard: setup ## training curves of all runs, on 127.0.0.1 (MODEL=its name, PORT=6006)
	@$(TFX)/python -m nightlite.deployment.in_tfx.training_curves $(if $(MODEL),--model=$(MODEL)) $(if $(PORT),--port=$(PORT))

# The wheel's own locks: those of `nightlite tfx-env`, without what developing takes.
TFX_ENV := pipeline_lib/nightlite/runner/tfx_env
# Pins stay as they are where pyproject.toml still allows them; to move one: make lock UPGRADE='--upgrade-package NAME'.
lock: ## compile the hashed locks from pyproject.toml (UPGRADE=--upgrade: newest of everything)
	@$(LOCK) $(UPGRADE) --extra airflow --extra celery --group dev pyproject.toml -o requirements.txt
	@$(LOCK) $(UPGRADE) --extra tfx --extra models --group dev pyproject.toml -o requirements-tfx.txt
	@$(LOCK) $(UPGRADE) --group setup -o $(TFX_ENV)/requirements-tools.txt
	@cp requirements-tfx.txt $(TFX_ENV)/requirements-tfx.txt  # whose pins it keeps
	@$(LOCK) --no-annotate --extra tfx pyproject.toml -o $(TFX_ENV)/requirements-tfx.txt
	@$(LOCK) $(UPGRADE) --group screenshots -o requirements-screenshots.txt

screenshots: ## docs/images/*.png from the local Airflow after make demo, by an installed Chromium (ONLY='grid report')
	@$(UV) run --quiet --no-project --python '>=3.11,<3.14' --with-requirements requirements-screenshots.txt \
	  python -m docs.screenshots $(ONLY)
