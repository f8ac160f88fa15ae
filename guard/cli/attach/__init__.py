"""``guard attach``: a participant of another server, watched beside it."""
