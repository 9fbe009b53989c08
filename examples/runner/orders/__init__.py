"""A team's own code: what docs/how-to/runner.md starts with."""
