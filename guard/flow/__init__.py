"""Bounded hand-over between threads and tasks, supervised tasks, work off the loop."""
