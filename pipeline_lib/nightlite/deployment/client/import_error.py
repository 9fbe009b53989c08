"""Import error of the pipeline's DAG, which explains why Airflow knows nothing of it or starts no run."""

import contextlib
from collections.abc import Iterator

from nightlite.deployment.client.rest import AirflowRest
from nightlite.deployment.models import the_model
from nightlite.errors import RefusedError, StackError


@contextlib.contextmanager
def import_error_first(rest: AirflowRest) -> Iterator[None]:
    """Raise the DAG's import error in place of a refusal that it caused."""
    try:
        yield
    except RefusedError:
        why = None
        with contextlib.suppress(StackError):  # a user who may not trigger may not read the error either
            why = rest.import_error(the_model().pipeline_name)
        if why:
            raise StackError(broken_dag(why)) from None
        raise


def broken_dag(why: str) -> str:
    """Return a sentence on a DAG with this import error."""
    return f"the DAG {the_model().pipeline_name} cannot be imported, and no new run can start. Received: {why}"
