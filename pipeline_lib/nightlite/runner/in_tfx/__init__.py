"""TFX's side of the runner. It runs in `.venvs/tfx` and never imports airflow."""

import os

# TensorFlow's C++ side reports a missing GPU in every process. Real errors come as exceptions.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
