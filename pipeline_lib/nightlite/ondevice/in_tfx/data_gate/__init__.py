"""DataGate: refuses data before anything trains on it."""
