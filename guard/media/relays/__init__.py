"""The ways in which a publisher's media reaches its subscribers."""
