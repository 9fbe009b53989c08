"""The TFX side: everything here runs in `.venvs/tfx` and never imports airflow."""

import os

# TensorFlow's C++ side reports a missing GPU as an error in every process; what matters comes as an exception.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
