"""RTP: packets as bytes, what one stream of them remembers, and how they come in and go out."""
