"""What turns pairs of texts into scores: the port, the real one, the fake. The only place that may import torch."""
