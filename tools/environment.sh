#!/bin/sh
# Make or update .venv from a locked set: tools/environment.sh local|mesh|dev. Does nothing when it is up to date.
set -eu

cd -- "$(dirname -- "$0")/.."
set_name=$1
stamp=.venv/isolane-requirements

fail() {
  printf 'setup: %s\n' "$*" >&2
  exit 1
}

fingerprint() {
  cat "requirements/$1.txt" requirements/build.txt pyproject.toml | cksum
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
free_kb=$(df -Pk . | awk 'NR == 2 { print $4 }')
if [ ! -f "$stamp" ] && [ "$free_kb" -lt 8000000 ]; then
  fail "$((free_kb / 1000000)) GB free on the disk of $PWD; the packages need about 8 GB; free some space"
fi

if ! .venv/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
  uv venv --quiet --no-python-downloads --allow-existing --python "${UV_PYTHON:->=3.11}" .venv ||
    fail 'Python 3.11 or newer is needed (Debian 12: apt-get install python3); UV_PYTHON=PATH names one that is not on PATH'
fi

printf 'setup: installing requirements/%s.txt into .venv\n' "$set_name" >&2
rm -f "$stamp"
export VIRTUAL_ENV="$PWD/.venv"
uv pip sync --require-hashes --strict "requirements/$set_name.txt"
uv pip install --quiet --no-deps --build-constraints requirements/build.txt --require-build-hashes --editable .
printf '%s\n' "$wanted" >"$stamp"
