"""SpanExampleGen: ImportExampleGen for one span or several, by number, newest, or as of a date.

A package of its own: its files' fingerprint is part of the node's cache key, and what else is in `in_tfx/` is not.
"""
