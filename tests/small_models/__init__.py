"""Models unlike the examples: two classes with one probability, a number, and coloured pictures that are not square."""
