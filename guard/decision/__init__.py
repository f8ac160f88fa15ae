"""Scores to verdicts: fusion over time, hysteresis, coverage."""
