"""What ModelReport does: read a run's artifacts, compare its models, draw the pages."""
