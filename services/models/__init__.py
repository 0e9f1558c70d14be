"""The core that serves models: their queue, batches and files."""
