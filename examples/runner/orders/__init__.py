"""A team's own code: what docs/runner.md starts with."""
