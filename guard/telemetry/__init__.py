"""Structured logs, metrics, per-frame stage stamps."""
