"""The DAG's own parts: schedule, approval, watched folder."""
