#!/bin/sh
# Make or update .venv from a locked set: tools/environment.sh local|mesh|dev. Does nothing when it is up to date.
set -eu

cd -- "$(dirname -- "$0")/.."
set_name=$1
stamp=.venv/isolane-requirements
log=.venv/setup.log

fail() {
  printf 'setup: %s\n' "$*" >&2
  exit 1
}

say() {
  printf 'setup: %s\n' "$*" >&2
}

fingerprint() {
  cat "requirements/$1.txt" requirements/build.txt pyproject.toml | cksum
}

# Measured with Python 3.11 on x86-64, with what Python compiles at the first start. Unit: MB.
size_of() {
  case $1 in
    local) echo 1050 ;;
    mesh) echo 1350 ;;
    *) echo 6900 ;; # torch with CUDA
  esac
}

# A line with the last word of the log: one that is written over where a person watches, else one every ten seconds.
# It ends by itself when the script was killed.
tell() {
  waited_s=0
  while sleep 1 >/dev/null 2>&1 && kill -0 $$ 2>/dev/null; do
    waited_s=$((waited_s + 1))
    line=$(printf 'setup: %s s: %s' "$waited_s" "$(tail -n 1 "$log")" | cut -c 1-79)
    if [ -t 2 ]; then
      printf '\r\033[K%s' "$line" >&2
    elif [ $((waited_s % 10)) -eq 0 ]; then
      printf '%s\n' "$line" >&2
    fi
  done
}

# Run a command whose words go to the log, and are shown whole when it fails.
run() {
  status=0
  tell &
  teller=$!
  "$@" >"$log" 2>&1 || status=$?
  kill "$teller" 2>/dev/null || true
  wait "$teller" 2>/dev/null || true
  if [ -t 2 ]; then printf '\r\033[K' >&2; fi
  if [ $status -ne 0 ]; then
    cat "$log" >&2
    say "failed: $*"
    exit $status
  fi
}

# Each set holds the one before it (local, mesh, dev): what is there is never taken away.
if [ "$set_name" != dev ] && grep -qs '^dev ' "$stamp"; then
  set_name=dev
elif [ "$set_name" = local ] && grep -qs '^mesh ' "$stamp"; then
  set_name=mesh
fi

wanted="$set_name $(fingerprint "$set_name")"
if [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && .venv/bin/python -c '' 2>/dev/null; then
  exit 0
fi

command -v uv >/dev/null 2>&1 || fail 'uv is not on PATH; use ./just in place of just, or: pip install uv'
size_mb=$(size_of "$set_name")
free_mb=$(df -Pk . | awk 'NR == 2 { print int($4 / 1000) }')
if [ ! -f "$stamp" ] && [ "$free_mb" -lt "$size_mb" ]; then
  fail "$free_mb MB free on the disk of $PWD; the packages need about $size_mb MB; free some space"
fi

if ! .venv/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
  uv venv --quiet --no-python-downloads --allow-existing --python "${UV_PYTHON:->=3.11}" .venv ||
    fail 'Python 3.11 or newer is needed (Debian 12: apt-get install python3); UV_PYTHON=PATH names one that is not on PATH'
fi

say "installing $(grep -c '^[a-z0-9].*==' "requirements/$set_name.txt") packages, about $size_mb MB, into .venv"
started_s=$(date +%s)
rm -f "$stamp"
export VIRTUAL_ENV="$PWD/.venv"
run uv pip sync --require-hashes "requirements/$set_name.txt"
run uv pip install --no-deps --build-constraints requirements/build.txt --require-build-hashes --editable .
run uv pip check # with pyproject.toml's exemptions
printf '%s\n' "$wanted" >"$stamp"
say "installed in $(($(date +%s) - started_s)) s"
