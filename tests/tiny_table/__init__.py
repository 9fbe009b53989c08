"""A second model, tiny and of several inputs: which of three irises four measurements are of."""
