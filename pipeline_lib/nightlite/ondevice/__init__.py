"""What a model must pass before phones get it, and how they get it."""
