"""The second Trainer: the trained model as the file that phones get."""
