"""Parse a folder of DAGs once, in this fresh process, and print the seconds beyond Airflow's own import.

python -m bench.parse_folder FOLDER [--again]

--again: the second time in this process, so that no import is counted, with the serialization that Airflow's DAG
processor adds to every parse.
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


def seconds_again(folder: str) -> float:
    """Return the seconds of parsing and serializing `folder` a second time."""
    from airflow.dag_processing.dagbag import DagBag
    from airflow.serialization.serialized_objects import DagSerialization

    parse_seconds(folder)
    for _ in range(2):
        started = time.perf_counter()
        for dag in DagBag(folder).dags.values():
            DagSerialization.to_dict(dag)
        seconds = time.perf_counter() - started
    return seconds


if __name__ == "__main__":
    os.environ.setdefault("AIRFLOW__CORE__LOAD_EXAMPLES", "False")
    measure = seconds_again if sys.argv[2:] == ["--again"] else parse_seconds
    print(measure(sys.argv[1]))
