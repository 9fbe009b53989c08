"""The TFX side: everything here runs in `.venvs/tfx` and never imports airflow."""
