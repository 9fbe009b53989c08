"""Check of all that a model owes the library, in less than a minute."""
