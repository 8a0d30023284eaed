"""What the command line and the page do alike."""
