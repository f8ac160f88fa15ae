"""``guard models``: weights of others, fetched from their makers and converted on this machine."""
