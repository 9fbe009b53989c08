#!/usr/bin/env bash
# Find a Python that can make the two environments and hand over to environments.py. `make setup` calls this.
set -euo pipefail
cd "$(dirname "$0")/.."
export SET_UP_BY='make setup'  # for messages

case "$(uname -s) $(uname -m)" in
'Linux x86_64' | 'Darwin arm64') ;;
*)
  printf 'setup: expected Linux on x86_64 or macOS on arm64, for which TFX has wheels. Received: %s on %s.\n' \
    "$(uname -s)" "$(uname -m)" >&2
  exit 3
  ;;
esac

candidates() {
  printf '%s\n' python3 python3.13 python3.12 python3.11
  local pyenv
  for pyenv in "${PYENV_ROOT:-${HOME:-}/.pyenv}"/versions/3.1[123].*/bin/python3; do printf '%s\n' "$pyenv"; done
  if command -v uv >/dev/null; then uv python find --no-project '>=3.11,<3.14' 2>/dev/null || true; fi
}

# A pyenv shim may be there and yet run nothing, and a Python built by hand may lack what Airflow imports. pyfarmhash,
# which TFX needs, has no Linux wheels: it is built with Python.h. Debian ships that apart, and ensurepip; uv does without.
fits='import sys
import ctypes, os, sqlite3, ssl, sysconfig, venv, zlib
if sys.argv[1] != "uv":
    import ensurepip
os.stat(os.path.join(sysconfig.get_path("include"), "Python.h"))
sys.exit(not ((3, 11) <= sys.version_info < (3, 14) and sys.implementation.name == "cpython"))'
uv=$(command -v uv >/dev/null && echo uv || echo pip)

seen=
while read -r python <&3; do
  version=$("$python" -c 'import platform; print(platform.python_version())' 2>/dev/null) || continue
  if "$python" -c "$fits" "$uv" 2>/dev/null; then exec "$python" setup/environments.py "$@" 3<&-; fi
  seen+="${seen:+, }$python $version"
done 3< <(candidates)

printf 'setup: expected CPython 3.11, 3.12 or 3.13 with venv, ssl, sqlite3 and Python.h. Received: %s. %s\n' \
  "${seen:-no Python}" \
  'Install one (on Debian: python3-venv and python3-dev; with uv: uv python install 3.13) and run make setup again.' >&2
exit 3
