"""Where media may flow: our addresses and ports, and which of the peer's are used."""
