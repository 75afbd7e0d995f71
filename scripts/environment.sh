# Sourced by the scripts beside it: where caches lie, and how packages are installed. Nothing is written into the checkout.

INGOT_CACHE="${XDG_CACHE_HOME:-$HOME/.cache}/ingot"
PYTHON_PACKAGES="$INGOT_CACHE/python-packages"  # unpacked wheels that carry C++ headers and libraries
TEST_ENVIRONMENT="$INGOT_CACHE/test-env"        # virtual environment of the oracles
export CCACHE_DIR="${CCACHE_DIR:-$INGOT_CACHE/ccache}"
export CCACHE_SLOPPINESS=pch_defines,time_macros  # without it a precompiled header is never found again
export CCACHE_BASEDIR="$PWD" CCACHE_NOHASHDIR=1   # objects are shared between clones;
export CCACHE_PCH_EXTSUM=1                        # those of a precompiled header by its .gch.sum, for its bytes differ between paths
export CCACHE_MAXSIZE="${CCACHE_MAXSIZE:-8G}"

say() { printf '\033[1m==> %s\033[0m\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif command -v sudo >/dev/null; then sudo "$@"
  else die "root is needed to install: $*"; fi
}

# Installs the Debian packages named that are not there yet.
install_debian_packages() {
  local missing=() package
  for package in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
  done
  [ ${#missing[@]} = 0 ] && return
  say "installing ${missing[*]}"
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# once NAME KEY COMMAND...: runs the command unless it has ended well before for this NAME and KEY.
once() {
  local stamp="$INGOT_CACHE/stamps/$1" key="$2"
  shift 2
  [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$key" ] && return
  mkdir -p "$INGOT_CACHE/stamps"
  "$@"
  printf '%s' "$key" >"$stamp"
}
