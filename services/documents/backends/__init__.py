"""What parses files: the port, the real one, the fake. The only place that may import Docling.

The real one is `pool`, which keeps `process`es that run `worker`: there `docling` parses, inside what `sandbox` allows.
"""
