"""ModelReport: reads a run's artifacts, compares its models and draws the pages."""
