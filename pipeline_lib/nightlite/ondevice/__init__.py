"""Gates that a model must pass before phones get it, and releases by which they get it."""
