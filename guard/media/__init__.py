"""Packets to frames: signalling, transport, forwarding, the tap, decoding, sources."""
