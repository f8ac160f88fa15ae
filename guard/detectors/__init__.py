"""Cues: each detector looks at one face track and gives a Score, or nothing."""
