set positional-arguments

export HF_HUB_OFFLINE := env("HF_HUB_OFFLINE", "1")

python := ".venv/bin/python"

_default:
    @"{{ just_executable() }}" --justfile "{{ justfile() }}" --list --unsorted

# Start every part on this machine and print a line to try; Ctrl-C ends all (--backend fake, --detach)
[group('run')]
[no-exit-message]
local *OPTIONS: (_environment "local")
    @exec .venv/bin/isolane local "$@"

# Start the dev mesh (real OpenBao, Consul, Nomad, Envoy), or bring it up to date; needs root (--backend fake)
[group('run')]
[no-exit-message]
dev *OPTIONS: (_environment "mesh")
    @exec .venv/bin/isolane dev "$@"

# End everything that `local` and `dev` started, also when it was killed; or only: local, mesh
[group('run')]
stop *WHAT:
    @[ ! -x .venv/bin/isolane ] || exec .venv/bin/isolane stop "$@"

# Say what runs, and where
[group('run')]
[no-exit-message]
status *OPTIONS:
    @exec .venv/bin/isolane status "$@"

# Print the end of a part's log (-f follows); of the mesh also openbao, consul, nomad, embedding-envoy, ...
[group('run')]
[no-exit-message]
logs *NAME:
    @exec .venv/bin/isolane logs "$@"

# Say what is healthy and why the rest is not
[group('run')]
[no-exit-message]
health *OPTIONS:
    @exec .venv/bin/isolane health "$@"

# Start agents of the dev mesh that have ended
[group('run')]
[no-exit-message]
start:
    @exec .venv/bin/isolane start

# Make an operator's token for the UI of consul, nomad or openbao, and print it
[group('run')]
[no-exit-message]
token AGENT:
    @exec .venv/bin/isolane token "$@"

# Install what developers need into .venv; nothing to do takes no time
[group('work')]
setup: (_environment "dev")

# Run the tests that need no mesh and no GPU, and say what was left out; arguments go to pytest
[group('work')]
test *ARGUMENTS: (_environment "dev")
    @exec {{ python }} -m pytest -m "not mesh and not gpu and not drill" "$@"

# Run the tests of the real mesh, as root: on the one that runs, or on one that is started for them (about 15 minutes)
[group('work')]
[no-exit-message]
test-mesh *ARGUMENTS: (_environment "dev")
    {{ python }} -m pytest -m mesh tests/mesh --ignore tests/mesh/lifecycle tests/integration/common "$@"
    {{ python }} -m pytest -m mesh tests/mesh/lifecycle "$@"

# Run the long drills on the real mesh, as root, and keep what they measured in docs/drills (about an hour)
[group('work')]
[no-exit-message]
drills *ARGUMENTS: (_environment "dev")
    {{ python }} -m pytest -m drill tests/integration "$@"
    {{ python }} -m pytest -m mesh tests/mesh --ignore tests/mesh/lifecycle --outage-s 60 --record docs/drills/$(date +%F).json "$@"
    {{ python }} -m pytest -m mesh tests/mesh/lifecycle --rounds 10 --record docs/drills/$(date +%F).json "$@"

# Report what `lint` would change, and every broken rule; changes nothing
[group('work')]
check: (_environment "dev")
    @{{ python }} tools/check.py

# Format and fix what can be fixed
[group('work')]
lint: (_environment "dev")
    .venv/bin/ruff check --fix .
    .venv/bin/ruff format .
    .venv/bin/buf format --write
    {{ python }} tools/hcl.py

# Run the benchmark bench/NAME.py
[group('work')]
bench NAME *ARGUMENTS: (_environment "dev")
    @shift; exec {{ python }} -m "bench.{{ NAME }}" "$@"

# Gather in .gpu-kit what bench/gpu/run.sh needs on a GPU machine without a package index; folders that travel too count
[group('work')]
[no-exit-message]
gpu-kit *FOLDERS: (_environment "dev")
    @exec {{ python }} -m bench.gpu.kit "$@"

# Generate the stubs in proto/gen
[group('generate')]
protos: (_environment "dev")
    {{ python }} tools/protos.py

# Write the generated pages of docs/
[group('generate')]
docs: (_environment "dev")
    {{ python }} tools/configuration.py
    {{ python }} tools/formats.py

# Compile requirements/*.txt anew; --upgrade takes newer versions
[group('generate')]
lock *OPTIONS:
    tools/lock.sh "$@"

# Build the container images of the named parts, or of all: --tag TAG, --images PREFIX, -- OPTIONS OF THE BUILDER
[group('release')]
[no-exit-message]
images *ARGUMENTS:
    @tools/images.sh "$@"

[no-exit-message]
_environment SET:
    @tools/environment.sh "{{ SET }}"
