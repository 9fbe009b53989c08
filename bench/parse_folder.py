"""Parse a folder of DAGs once, in this fresh process, and print the seconds beyond Airflow's own import.

python -m bench.parse_folder FOLDER
"""

import os
import sys
import time


def parse_seconds(folder: str) -> float:
    """Return the seconds of one DagBag of `folder`, with the DAG files' imports but without Airflow's.

    Raises:
      SystemExit: the folder has an import error, or no DAG.
    """
    from airflow.dag_processing.dagbag import DagBag
    from airflow.sdk import DAG, BaseOperator  # noqa: F401  airflow.sdk imports a name when it is asked for

    started = time.perf_counter()
    bag = DagBag(folder)
    seconds = time.perf_counter() - started
    if bag.import_errors or not bag.dags:
        sys.exit(f"{folder} cannot be measured: {bag.import_errors or 'no DAG in it'}")
    return seconds


if __name__ == "__main__":
    os.environ.setdefault("AIRFLOW__CORE__LOAD_EXAMPLES", "False")
    print(parse_seconds(sys.argv[1]))
