"""SpanExampleGen: ImportExampleGen for one span or several, by number, newest, or as of a date.

It is a package of its own because the fingerprint of its files is part of the node's cache key.
"""
