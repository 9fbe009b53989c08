"""What the Trainers run: their cache key holds these modules."""
