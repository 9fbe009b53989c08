"""ML Metadata: the store, the lineage of artifacts, and the running nodes."""
