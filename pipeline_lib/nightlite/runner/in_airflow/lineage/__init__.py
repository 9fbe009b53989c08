"""Lineage of nodes for others. Only a task whose environment has the provider imports it."""
