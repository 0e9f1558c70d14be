#!/bin/sh
# Inside an image's builder stage: `install.sh requirements FILE` fills /opt/isolane, `install.sh project` fills
# /opt/project. They are two layers of the image, so that a release which changes our code alone ships megabytes.
set -eu

environment=/opt/isolane
project=/opt/project
tools=/opt/tools # pip and the build backend stay behind in the builder stage
pip=$tools/bin/pip
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore

case $1 in
  requirements)
    python3 -m venv "$tools"
    "$pip" install --no-deps --require-hashes --requirement requirements/build.txt
    python3 -m venv --without-pip "$environment"
    "$pip" --python "$environment/bin/python" install --no-deps --require-hashes --requirement "$2"
    "$pip" --python "$environment/bin/python" check
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
