"""Where devices come from: the port, the NVIDIA driver, the CPU, the fake. The only place that may import pynvml."""
