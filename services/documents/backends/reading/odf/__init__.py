"""OpenDocument texts, sheets and slides: their trees made such that Docling keeps every word."""
