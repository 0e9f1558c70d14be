"""Logs, spans and metrics, tied together by the request id."""
