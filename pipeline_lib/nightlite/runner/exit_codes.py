"""Exit codes of run_node. 0 and 99 have the meaning of Airflow's own BashOperator."""

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_FINAL = 3  # it failed, and another try would fail the same way
EXIT_SKIPPED = 99
EXIT_SIGNAL = 128  # plus the signal's number
