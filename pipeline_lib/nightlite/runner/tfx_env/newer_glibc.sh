#!/usr/bin/env bash
# Give the TFX environment a glibc that its wheels can load, where the host's own is too old.
#
# ml-metadata's and TFDV's Linux wheels need GLIBC_2.38 and GLIBCXX_3.4.32; Debian 12 has 2.36. This unpacks
# Debian 13's C and C++ runtimes (4 MB, checked by apt with Debian's keyring) beside the environment and points only
# the environment's own python binaries at them. Nothing outside the two folders is touched, no root is needed.
#
# usage: newer_glibc.sh --check         prints "host" (its own is new enough) or "newer" (it needs this, and can have it)
#        newer_glibc.sh VENV FOLDER     VENV made with `python -m venv --copies`; FOLDER receives the libraries;
#                                       patchelf is on PATH
# exit:  0 done, or nothing to do; 3 this host cannot be helped; 1 a step failed. 3 and 1 leave a sentence on stderr.
set -euo pipefail

command=${SET_UP_BY:-nightlite tfx-env}
needed=2.38
os_release=${OS_RELEASE:-/etc/os-release}
keyring=${DEBIAN_KEYRING:-/usr/share/keyrings/debian-archive-keyring.gpg}

cannot() {
  printf '%s: expected glibc %s or newer (Debian 13, Ubuntu 24.04), which TFX needs. Received: %s. %s. %s\n' \
    "${command##* }" "$needed" "$found" "$1" 'A container of Debian 13 works here: Docker compose has one.' >&2
  exit 3
}

failed() {
  printf '%s: %s\n' "${command##* }" "$1" >&2
  exit 1
}

host_is_new_enough() {
  [ "$(uname -s)" = Linux ] || return 0
  found=$(getconf GNU_LIBC_VERSION 2>/dev/null) || { found='a C library that is not glibc' && return 1; }
  [ "$(printf '%s\n%s\n' "$needed" "${found#glibc }" | sort -V | head -n 1)" = "$needed" ]
}

# Every archive of this host's own Debian release that its apt is set up for, whichever mirrors they are.
mirrors() {
  local release
  release=$(. "$os_release" && printf '%s' "${VERSION_CODENAME:-}")
  apt-get indextargets --no-release-info --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' |
    awk -v release="$release" '$2 == release && $3 == "main" && !seen[$1]++ {print $1}'
}

check_that_it_can_be_helped() {
  [[ $found == glibc* ]] || cannot 'Only glibc can be replaced by a newer one'
  [ "$(uname -m)" = x86_64 ] || cannot "On $(uname -m) a newer one cannot be added"
  [ "$(. "$os_release" 2>/dev/null && printf '%s' "${ID:-}")" = debian ] || cannot 'A newer one can be added only on Debian'
  command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null && [ -r "$keyring" ] ||
    cannot "A newer one can be added only with apt-get, dpkg-deb and $keyring"
  [ -n "$(mirrors)" ] || cannot 'A newer one can be added only where apt knows an archive of Debian'
}

# The host's own settings (a proxy, say) without its hooks, which would touch files outside the project, and with every
# folder of apt's here. Debian's signature is what is trusted, not the mirror.
configure_apt() {
  local mirror=$1 apt=$2
  mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
  echo "deb [signed-by=$keyring] $mirror trixie main" >"$apt/sources.list"
  apt-config dump | sed '/Invoke/d' >"$apt/apt.conf"
  cat >>"$apt/apt.conf" <<CONF
Dir::Etc::main "/dev/null";
Dir::Etc::parts "/dev/null";
Dir::Etc::sourcelist "$apt/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::State::lists "$apt/lists";
Dir::Cache "$apt/cache";
APT::Sandbox::User "";
APT::Update::Error-Mode "any";
Acquire::Retries "3";
Debug::NoLocking "1";
CONF
}

download() {
  local partial=$2
  rm -rf "$partial"
  mkdir -p "$partial/debs"
  configure_apt "$1" "$partial/apt"
  export APT_CONFIG=$partial/apt/apt.conf
  apt-get -qq update && (cd "$partial/debs" && apt-get -qq download libc6 libstdc++6 libgcc-s1)
}

fetch_libraries() {
  local partial=$folder.partial mirror deb
  trap 'rm -rf "$folder.partial"' EXIT
  echo "${command##* }: fetching Debian 13's C and C++ runtimes (4 MB) for the TFX environment" >&2
  for mirror in $(mirrors); do
    if (download "$mirror" "$partial"); then
      for deb in "$partial"/debs/*.deb; do dpkg-deb -x "$deb" "$partial/root"; done
      rm -rf "$folder"
      mv "$partial/root/usr/lib/x86_64-linux-gnu" "$folder"
      return
    fi
  done
  failed "Debian 13's C library cannot be fetched from $(mirrors | paste -sd ' ') (apt's reason is above). Run $command \
again when the network is there."
}

# A binary is patched as a copy that then takes its place, so that an interruption never leaves a broken one.
patch_binary() {
  local binary=$1 base_lib=$2
  [ "$(patchelf --print-interpreter "$binary")" != "$folder/ld-linux-x86-64.so.2" ] || return 0
  cp -p "$binary" "$binary.partial"
  # Without libstdc++ among what it needs, importing tensorflow first would load the host's own, which is too old.
  patchelf --set-interpreter "$folder/ld-linux-x86-64.so.2" --force-rpath --set-rpath "$folder:$base_lib" \
    --add-needed libstdc++.so.6 "$binary.partial"
  mv "$binary.partial" "$binary"
}

verify() {
  "$1" - <<'PYTHON'
import ctypes, os, sys
version = tuple(int(part) for part in os.confstr("CS_GNU_LIBC_VERSION").split()[1].split("."))
ctypes.CDLL("libstdc++.so.6")
library = next(line.split()[-1] for line in open("/proc/self/maps") if "libstdc++.so.6" in line)
sys.exit(not (version >= (2, 38) and b"GLIBCXX_3.4.32" in open(library, "rb").read()))
PYTHON
}

if [ "${1:-}" = --check ]; then
  if host_is_new_enough; then echo host; else check_that_it_can_be_helped && echo newer; fi
  exit 0
fi
[ $# -eq 2 ] || failed 'usage: newer_glibc.sh --check | newer_glibc.sh VENV FOLDER'
if host_is_new_enough; then exit 0; fi
check_that_it_can_be_helped
venv=$(realpath -m "$1") folder=$(realpath -m "$2")
command -v patchelf >/dev/null || failed 'expected patchelf on PATH'
[ -e "$folder/ld-linux-x86-64.so.2" ] || fetch_libraries

rm -f "$venv"/bin/*.partial
# The base interpreter's own libraries (libpython, where it is shared) come last.
base_lib=$("$venv/bin/python" -I -c 'import sys, sysconfig
print(sysconfig.get_config_var("LIBDIR"), f"{sys.base_prefix}/lib", sep=":")') ||
  failed "$venv/bin/python does not run. Remove $venv and run $command again."
for binary in "$venv"/bin/python*; do
  [ -L "$binary" ] || patch_binary "$binary" "$base_lib"
  verify "$binary" || failed "$binary does not load the newer glibc. Remove $folder and run $command again."
done
