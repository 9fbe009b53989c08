"""Prediction by a release: the released file in LiteRT, and rows of a table for it."""
