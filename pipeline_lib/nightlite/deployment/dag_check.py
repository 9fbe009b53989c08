"""Parse the DAG files as Airflow's DAG processor does, before anything is started.

    python -m nightlite.deployment.dag_check FOLDER RESULT [--migrate]

RESULT receives the import errors as JSON. Without errors, `--migrate` then creates or migrates the database. Both
need Airflow's imports, which take seconds.
"""

import contextlib
import io
import json
import sys
from pathlib import Path

from nightlite.deployment.models import models
from nightlite.deployment.settings import settings
from nightlite.errors import StackError


def import_errors(folder: Path) -> dict[str, str]:
    """Return the error of each DAG file that cannot be imported, by its path."""
    from airflow.dag_processing.dagbag import DagBag

    with contextlib.redirect_stdout(io.StringIO()):  # drop the tracebacks: the errors below say the same
        found: dict[str, str] = DagBag(str(folder)).import_errors
    return found


def refuse_broken_dags(errors: dict[str, str]) -> None:
    """Raise StackError if there are import errors."""
    if errors:
        told = "; ".join(f"{path}: {error.strip().splitlines()[-1]}" for path, error in sorted(errors.items()))
        raise StackError(f"expected DAG files that Airflow can import. Received: {told}")


def main(folder: Path, result: Path, migrate: bool) -> int:
    # Before the first 'make compile' a model has no pipeline. `up` reports that.
    files = [settings().compiled_file(model) for model in models().values()]
    absent = [str(file) for file in files if not file.exists()]
    errors = {path: error for path, error in import_errors(folder).items() if not any(map(error.count, absent))}
    result.write_text(json.dumps(errors), encoding="utf-8")
    if migrate and not errors:
        from airflow.utils import db
        from airflow.utils.providers_configuration_loader import providers_configuration_loaded

        providers_configuration_loaded(db.upgradedb)()
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), "--migrate" in sys.argv[3:]))
