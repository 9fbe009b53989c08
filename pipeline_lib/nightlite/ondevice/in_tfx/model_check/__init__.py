"""Check of all that a model owes the library, on a small part of its data, in less than a minute."""
