"""Logs, metrics, and where a frame's milliseconds went."""
