"""Input formats: each module reads one; SOURCES names them."""
