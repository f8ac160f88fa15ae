"""Test variants of the attack species: for demo, tests and bench, never for training."""
