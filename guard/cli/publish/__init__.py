"""``guard publish``: a clip or a camera into a room, as one caller."""
