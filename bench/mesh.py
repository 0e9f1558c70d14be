"""The running dev mesh beside a local stack, same model and machine, in turns: what two Envoys and mTLS cost.

Needs `just dev`, as root; starts a local stack of its own on free ports, halts it while it is the mesh's turn, and ends
it. The mesh cannot be halted: its idle processes run on in the local stack's turn. It is `bench.embedding` with --mesh
and without peers.
"""

from __future__ import annotations

import sys

from bench.embedding import main

if __name__ == "__main__":
    main(["--mesh", "--no-peers", "--mix", "lognormal", *sys.argv[1:]], (__doc__ or "").splitlines()[0])
