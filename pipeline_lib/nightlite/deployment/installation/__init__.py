"""State of this installation: its settings and where they are from, and what is wrong with it."""
