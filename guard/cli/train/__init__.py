"""``guard train``: an engine's recipe on a team's own pictures and clips."""
