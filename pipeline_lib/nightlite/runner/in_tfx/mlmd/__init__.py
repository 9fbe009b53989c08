"""ML Metadata: the store, the lineage of artifacts, and which nodes are running."""
