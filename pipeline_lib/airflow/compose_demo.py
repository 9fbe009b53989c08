"""One run of the deployment that this container belongs to, watched to its end: `make compose-demo`.

    python -m pipeline_lib.airflow.compose_demo      (in the `init` service, which knows the admin's password)

Exit code as `mnist-lite demo`'s: 0 a model was pushed, 1 the run failed, 3 nothing was pushed, 130 interrupted.
"""

import os
import sys
from dataclasses import dataclass

from rich.console import Console

from pipeline_lib.airflow.begin_run import run_under_way, start_run, switch_on
from pipeline_lib.airflow.demo import EXIT_INTERRUPTED, show_run
from pipeline_lib.errors import MnistLiteError, StackError
from pipeline_lib.settings import settings

_VARIABLE = "MNIST_LITE_ADMIN_PASSWORD"


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


def main() -> int:
    console = Console()
    try:
        airflow = ComposeAirflow(os.environ["AIRFLOW__API__BASE_URL"])
        switch_on(airflow, console)
        # A new deployment makes its first run itself.
        run_id = run_under_way(airflow) or start_run(airflow)
        return show_run(settings(), airflow, run_id, console)
    except MnistLiteError as error:
        print(f"compose-demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        console.print("\nNot watching any more; the run goes on.")
        return EXIT_INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
