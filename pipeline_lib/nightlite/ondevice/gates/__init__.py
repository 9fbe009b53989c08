"""The gates, and the measurements that they judge."""
