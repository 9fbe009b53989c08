"""One run of the deployment that this container belongs to, watched to its end: `make compose-demo`.

    python -m pipeline_lib.airflow.compose_demo      (in the `init` service, which knows the admin's password)

Exit code as `mnist-lite demo`'s: 0 a model was pushed, 1 the run failed, 3 nothing was pushed, 130 interrupted.
"""

import os
import sys
from dataclasses import dataclass
from datetime import UTC, datetime

from rich.console import Console
from tenacity import RetryError, Retrying, retry_if_not_result, stop_after_delay, wait_fixed

from pipeline_lib.airflow.demo import EXIT_INTERRUPTED, RunningAirflow, show_run, start_run
from pipeline_lib.airflow.local_config import USER
from pipeline_lib.airflow.rest import AirflowRest
from pipeline_lib.errors import MnistLiteError, StackError
from pipeline_lib.settings import PIPELINE_NAME, settings

_VARIABLE = "MNIST_LITE_ADMIN_PASSWORD"
_FIRST_RUN_SECONDS = 90


@dataclass(frozen=True)
class ComposeAirflow:
    """The API server beside this container; `ui_url` is where its host's browsers find it."""

    ui_url: str
    url: str = "http://api-server:8080"
    password_place: str = f".env ({_VARIABLE})"
    stop_command: str = "docker compose down"

    def password(self) -> str:
        """The admin's password, as .env has it.

        Raises:
          StackError: this container was not given it.
        """
        if not (password := os.environ.get(_VARIABLE)):
            raise StackError(f"expected {_VARIABLE} in the environment. Received: none; run 'make compose-demo'")
        return password


def run_under_way(airflow: RunningAirflow, patience: float = _FIRST_RUN_SECONDS) -> str | None:
    """The run that is queued or running, or that Airflow is about to make: a new deployment makes its first itself."""
    with AirflowRest.login(airflow.url, USER, airflow.password()) as rest:

        def settled() -> tuple[str | None] | None:
            dag = rest.dag(PIPELINE_NAME)  # before its runs: a run that is made in between is seen
            if run := rest.active_run(PIPELINE_NAME):
                return (run.dag_run_id,)
            if not dag:
                return (None,) if rest.import_errors() else None
            due = dag.next_dagrun_run_after
            return None if due and due <= datetime.now(UTC) and not dag.is_paused else (None,)

        waiting = Retrying(retry=retry_if_not_result(bool), wait=wait_fixed(0.3), stop=stop_after_delay(patience))
        try:
            found = waiting(settled)
        except RetryError:
            return None
    return found[0] if found else None


def main() -> int:
    console = Console()
    try:
        airflow = ComposeAirflow(os.environ["AIRFLOW__API__BASE_URL"])
        run_id = run_under_way(airflow) or start_run(airflow, console)
        return show_run(settings(), airflow, run_id, console)
    except MnistLiteError as error:
        print(f"compose-demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        console.print("\nNot watching any more; the run goes on.")
        return EXIT_INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
