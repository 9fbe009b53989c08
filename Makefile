AIRFLOW := .venvs/airflow/bin
TFX := .venvs/tfx/bin
MNIST_LITE := $(AIRFLOW)/mnist-lite
LOCK := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup demo up down compile env image compose-demo compose-test test test-faults audit lint bench bench-quick lock screenshots tensorboard

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## make or update the two environments in .venvs/
	@setup/setup.sh

demo: setup ## set up, run the pipeline once under Airflow, show the outcome (DATASET=digits|mnist, MNIST_DIR=folder)
	@$(MNIST_LITE) demo

up: setup ## start Airflow on 127.0.0.1
	@$(MNIST_LITE) up

down: ## stop Airflow and all that it started
	@[ ! -x $(MNIST_LITE) ] || $(MNIST_LITE) down

compile: setup ## write the compiled pipeline that the DAG reads
	@$(TFX)/python -m pipeline_lib.tfx.compile

env: ## write the secrets that docker compose needs to .env, unless they are there
	@python3 docker/make_env.py

image: ## build the containers' image, with the revision that it is of
	@REVISION=$$(git describe --always --dirty --abbrev=40 --exclude='*' 2>/dev/null) docker compose build init

compose-demo: env image ## the demo in containers: build the image, start everything, one run, the outcome; needs only Docker
	@docker compose up -d --wait
	@docker compose run --rm --no-deps init python -m pipeline_lib.airflow.compose_demo

compose-test: setup ## prove the containers with a real Docker engine, half an hour; `make test` does so, too
	@$(AIRFLOW)/python -m pytest tests/compose

# They all run whatever the others say. The real runs under Airflow come last, so that their line closes the log.
test: lint ## everything: lint, unit tests in both environments, real runs under a real Airflow
	@failed=0; \
	$(AIRFLOW)/python -m pytest tests/core tests/setup tests/bench tests/docker tests/airflow tests/faults/airflow || failed=1; \
	$(TFX)/python -m pytest tests/tfx tests/mnist tests/faults/tfx || failed=1; \
	$(AIRFLOW)/python -m pytest tests/compose || failed=1; \
	$(AIRFLOW)/python -m pytest tests/faults/stack || failed=1; \
	$(AIRFLOW)/python -m pytest tests/end_to_end || failed=1; \
	exit $$failed

test-faults: setup ## twice sixty kills, a year of nights, damaged data, models, disks and parameters: docs/faults.md (an hour at most)
	@failed=0; export MNIST_LITE_TEST_KILLS=$${MNIST_LITE_TEST_KILLS:-60} MNIST_LITE_TEST_NIGHTS=$${MNIST_LITE_TEST_NIGHTS:-365}; \
	$(AIRFLOW)/python -m pytest tests/faults/airflow || failed=1; \
	$(TFX)/python -m pytest tests/faults/tfx || failed=1; \
	$(AIRFLOW)/python -m pytest tests/faults/stack || failed=1; \
	exit $$failed

audit: setup ## both locks against known advisories, where an index of them can be reached; else it says so
	@MNIST_LITE_TEST_AUDIT=1 $(AIRFLOW)/python -m pytest tests/setup/test_advisories.py

# Each side is checked where its packages are.
lint: setup ## ruff, and mypy in both environments
	@$(AIRFLOW)/ruff check --quiet . && $(AIRFLOW)/ruff format --check --quiet .
	@$(AIRFLOW)/mypy --cache-dir .mypy_cache/airflow --explicit-package-bases setup/*.py docker/make_env.py docs/*.py pipeline_lib/*.py pipeline_lib/airflow dags bench/__main__.py bench/parse_folder.py
	@$(TFX)/mypy --cache-dir .mypy_cache/tfx pipeline_lib/tfx pipeline_lib/mnist pipeline_lib/releases bench/tfx_*.py

bench: setup ## measure everything against its yardstick: a table, and var/bench.json (an hour at most; ONLY='dag_run ...')
	@$(AIRFLOW)/python -m bench $(if $(ONLY),--only $(ONLY))

bench-quick: setup ## the DAG parse, the overheads and the whole run, in six minutes
	@$(AIRFLOW)/python -m bench --quick

tensorboard: setup ## training curves of all runs, on 127.0.0.1 (PORT=6006)
	@$(TFX)/python -m pipeline_lib.tfx.training_curves $(if $(PORT),--port=$(PORT))

# Pins stay as they are where pyproject.toml still allows them; to move one: make lock UPGRADE='--upgrade-package NAME'.
lock: ## compile the hashed locks from pyproject.toml (UPGRADE=--upgrade: newest of everything)
	@$(LOCK) $(UPGRADE) --extra airflow --extra celery --group dev pyproject.toml -o requirements.txt
	@$(LOCK) $(UPGRADE) --extra tfx --group dev pyproject.toml -o requirements-tfx.txt
	@$(LOCK) $(UPGRADE) --group setup -o requirements-setup.txt
	@$(LOCK) $(UPGRADE) --group screenshots -o requirements-screenshots.txt

UV := $(shell command -v uv || echo .venvs/tools/bin/uv)
screenshots: ## docs/images/*.png from the local Airflow after make demo, by an installed Chromium (ONLY='grid report')
	@$(UV) run --quiet --no-project --python '>=3.11,<3.14' --with-requirements requirements-screenshots.txt \
	  python -m docs.screenshots $(ONLY)
