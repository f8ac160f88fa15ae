"""``guard analyse``: files through the same pipeline as live calls."""
