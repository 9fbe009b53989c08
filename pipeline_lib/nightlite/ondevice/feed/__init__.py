"""Feed of a model: static, signed files that phones read. docs/feed.md describes it for the author of an app."""
