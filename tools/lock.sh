#!/bin/sh
# Compile the locked requirement sets; options go to uv, for example --upgrade.
set -eu

cd -- "$(dirname -- "$0")/.."

compile() {
  output=requirements/$1
  shift
  printf 'lock: %s\n' "$output" >&2
  uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
    --custom-compile-command 'just lock' --output-file "$output" "$@"
}

compile dev.txt --all-extras --group test --group dev "$@" pyproject.toml
compile tools.txt "$@" requirements/tools.in
compile build.txt "$@" requirements/build.in
compile go.txt "$@" requirements/go.in

# A peer of the benchmarks, in an environment of its own.
compile ../bench/requirements/infinity.txt "$@" bench/requirements/infinity.in

# The other sets are parts of dev.txt: the same versions everywhere.
compile mesh.txt --constraints requirements/dev.txt --all-extras pyproject.toml
compile local.txt --constraints requirements/dev.txt --extra gateway --extra embedding --extra reranking \
  --extra documents --extra gpu --extra ops pyproject.toml
for extra in gateway embedding reranking documents gpu ops; do
  compile "$extra.txt" --constraints requirements/dev.txt --extra "$extra" pyproject.toml
done
