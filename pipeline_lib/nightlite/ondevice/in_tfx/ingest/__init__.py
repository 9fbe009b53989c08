"""Data sources: a folder of pictures by label, CSV and Parquet, and what writes spans of any of them."""
