"""Import error of the pipeline's DAG, which explains why Airflow knows nothing of it or starts no run."""

import contextlib
from collections.abc import Iterator

from nightlite.deployment.client.rest import AirflowRest
from nightlite.errors import RefusedError, StackError


@contextlib.contextmanager
def import_error_first(rest: AirflowRest, dag_id: str) -> Iterator[None]:
    """Raise the DAG's import error in place of a refusal that it caused."""
    try:
        yield
    except RefusedError:
        why = None
        with contextlib.suppress(StackError):  # a user who may not trigger may not read the error either
            why = rest.import_error(dag_id)
        if why:
            raise StackError(broken_dag(dag_id, why)) from None
        raise


def broken_dag(dag_id: str, why: str) -> str:
    """Return a sentence on a DAG with this import error."""
    return f"the DAG {dag_id} cannot be imported, and no new run can start. Received: {why}"
