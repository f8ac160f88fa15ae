"""Made callers for testing this guard: bona fide extension and attack species; pictures in, pictures out."""
