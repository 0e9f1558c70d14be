"""What the engines of model services share: models, their batchers, metrics."""
