"""What answers over HTTP on loopback."""
