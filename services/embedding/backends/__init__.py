"""What turns tokens into vectors: the port, the real one, the fake. The only place that may import torch."""
