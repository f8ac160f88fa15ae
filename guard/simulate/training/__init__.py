"""Training variants of the attack species: the only ones that a recipe may use."""
