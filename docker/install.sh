#!/bin/sh
# Make one environment from its hashed lock, without what only developing needs: install.sh FOLDER LOCK [PACKAGE...]
# The packages: what only developing needs in this environment and more than that in the other.
set -eu
folder=$1 lock=$2
shift 2
site=$folder/lib/python3.13/site-packages

uv venv --quiet --no-project --python "$(command -v python3.13)" "$folder"
uv pip sync --quiet --python "$folder/bin/python" --require-hashes --build-constraints "$lock" "$lock"
# The locks hold pyproject's group "dev", too, and what nothing else asks for. libclang only serves TensorFlow's own build.
uv pip uninstall --quiet --python "$folder/bin/python" aiosmtpd apache-airflow-client ast-serialize atpublic codespell cogapp grimp \
  hypothesis import-linter iniconfig librt mypy mypy-extensions pytest pytest-timeout ruff libclang "$@" 2>&1 | grep -v 'not installed' || true

# Headers and symbols for linking against TensorFlow, which is not done here; the packages' own tests and their data.
rm -rf "$site/tensorflow/include" "$site/pyarrow/include" "$site/tfx/components/testdata"
find "$site" -type d -name tests -not -path '*/numpy/*' -prune -exec rm -rf {} +
find "$site" -name '*.a' -delete
find "$site/tensorflow" -maxdepth 1 -name 'libtensorflow_*.so.*' -type f -exec strip --strip-unneeded {} + 2>/dev/null || true

# The image's file system is read-only, so that Python could not keep what it compiles. A few packages carry files
# in other Pythons' syntax: compileall's verdict on them is of no interest.
"$folder/bin/python" -m compileall -q -j 0 --invalidation-mode unchecked-hash "$site" >/dev/null || true
