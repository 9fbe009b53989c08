"""run_node's exit codes. 0 and 99 mean what they mean to Airflow's own BashOperator."""

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_FINAL = 3  # it failed, and another try would end the same way
EXIT_SKIPPED = 99
EXIT_SIGNAL = 128  # plus the signal's number
