"""Model runtimes behind one protocol; imports nothing of guard but core."""
