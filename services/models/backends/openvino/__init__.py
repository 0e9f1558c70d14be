"""Models on the CPU, with OpenVINO."""
