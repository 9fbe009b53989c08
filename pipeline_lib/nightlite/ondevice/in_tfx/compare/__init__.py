"""Comparison of any two files of a model, releases or runs' files, on one eval split."""
