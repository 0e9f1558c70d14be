"""Models as OpenVINO graphs, built from their own files without torch."""
