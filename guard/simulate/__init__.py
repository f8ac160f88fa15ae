"""Made callers for testing this guard: attack species and bona fide extension; planes in, planes out."""
