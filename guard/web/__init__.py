"""The HTTP side: WHIP, WHEP, REST, health."""
