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

# Peers of the benchmarks, each in an environment of its own.
compile ../bench/requirements/infinity.txt "$@" bench/requirements/infinity.in
compile ../bench/requirements/docling-serve.txt "$@" bench/requirements/docling-serve.in

# The other sets are parts of dev.txt: the same versions everywhere.
part() {
  output=$1
  shift
  compile "$output" --constraints requirements/dev.txt "$@" pyproject.toml
}

local='--extra gateway --extra embedding --extra reranking --extra documents --extra gpu --extra ops'
# shellcheck disable=SC2086 # these are words
part local.txt $local
# shellcheck disable=SC2086
part mesh.txt $local --extra mesh
for extra in gateway embedding reranking documents gpu ops; do
  part "$extra.txt" --extra "$extra"
done
# For images with CUDA, and with the layout model of Docling's own.
for extra in documents embedding reranking; do
  part "$extra-torch.txt" --extra "$extra" --extra torch
done
# For a GPU machine that has torch and no package index.
part gpu-kit.txt --extra gpu requirements/gpu-kit.in
