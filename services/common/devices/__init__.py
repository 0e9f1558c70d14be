"""Where models run. The only place of the kit that may import torch."""
