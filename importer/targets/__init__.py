"""APIs that take tasks: each module speaks one; TARGETS in wiring.py names them."""
