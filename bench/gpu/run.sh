#!/usr/bin/env bash
# Everything that is to be known of a GPU machine, in one call of at most 12 minutes:
#   OUT=results bash bench/gpu/run.sh [--device cuda] [--tiny] [--limit SECONDS] [STEP...]
# Each step has its own time limit, and one that fails or is cut stops no other. $OUT gets one JSON file of each, and
# run.json, which says how each ended. The exit status is how many steps failed; 255 is a call that could not begin.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit

steps=(calibration:50 tests:110 attention:50 embedding:140 reranking:60 nvml:20 require_gpu:50 serving:220)
grace_s=5

fail() {
  printf 'gpu: %s\n' "$*" >&2
  exit 255
}

device=cuda options=() chosen=() limit=''
while (($#)); do
  case $1 in
    --device) device=${2:?} && shift ;;
    --limit) limit=${2:?} && shift ;; # of every step, in place of its own
    --tiny) options+=(--tiny) ;;
    -*) fail "$1: no such option; there are --device, --tiny and --limit" ;;
    *) [[ " ${steps[*]} " == *" $1:"* ]] && chosen+=("$1") || fail "$1: no such step; there are ${steps[*]%:*}" ;;
  esac
  shift
done

: "${OUT:?gpu: set OUT to the folder that gets the results}"
mkdir -p "$OUT" || exit
OUT=$(cd "$OUT" && pwd)
rm -f "$OUT/run.json"
python=${PYTHON:-python3}
[[ -z ${PYTHON:-} && -x .venv/bin/python ]] && python=.venv/bin/python

export PYTHONPATH="$PWD:$PWD/proto/gen${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1 HF_HUB_OFFLINE=1
# What the machine lacks comes from the kit; a machine that has it all keeps its own.
"$python" -c 'import grpc_health, pytest_asyncio, msgspec' 2>/dev/null || PYTHONPATH="$PYTHONPATH:$PWD/.gpu-kit/site"
"$python" -c 'import grpc_health, pytest_asyncio, msgspec' || fail 'run `just gpu-kit` where there is a package index, and bring .gpu-kit along'

work=$(mktemp -d) || exit
trap 'rm -rf "$work"' EXIT

failed=0
for entry in "${steps[@]}"; do
  step=${entry%:*} limit_s=${limit:-${entry#*:}}
  if ((!${#chosen[@]})) || [[ " ${chosen[*]} " == *" $step "* ]]; then
    folder=$OUT
    [[ $step == calibration ]] && folder=$work # it goes into run.json and into every other file
    printf '== %s, at most %s s\n' "$step" "$limit_s"
    started=${EPOCHREALTIME/[.,]/}
    timeout --kill-after="$grace_s" $((limit_s - grace_s)) "$python" -m "bench.gpu.$step" --out "$folder" \
      --work "$work" --device "$device" --budget $((limit_s * 3 / 4)) "${options[@]}" </dev/null
    code=$?
    taken_ms=$(((${EPOCHREALTIME/[.,]/} - started) / 1000))
    "$python" -m bench.gpu.outcome "$work" "$OUT" "$step" "$code" "$((taken_ms / 1000)).$((taken_ms % 1000 / 100))" "$limit_s"
    ((code)) && ((failed += 1))
  fi
done
exit "$failed"
