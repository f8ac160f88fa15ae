"""Frames to tracked faces: landmarks, identity, quality, crops."""
