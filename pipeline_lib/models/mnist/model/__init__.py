"""Code of the Trainers, whose cache key holds these modules."""
