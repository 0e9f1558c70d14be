"""The models that look at pages: where the blocks of a page are, the cells of a table, the letters of a picture."""

import os

# ONNX Runtime's wheels (1.29 and later) keep an identifier of the machine in the user's cache, write to the temporary
# folder and send events to their makers; this is read when the library is imported, and its own switch comes too late.
os.putenv("ORT_DISABLE_TELEMETRY", "1")
