"""Feed of a model: static, signed files that phones read. For authors of apps: docs/reference/feed.md"""
