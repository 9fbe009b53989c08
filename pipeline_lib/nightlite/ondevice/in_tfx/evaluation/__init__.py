"""What both Evaluators measure and demand."""
