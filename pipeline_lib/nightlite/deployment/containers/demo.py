"""Watch one run of this container's deployment until it finishes, for `make compose-demo`.

    python -m nightlite.deployment.containers.demo      (in the `init` service, which has the admin's password)

MODEL in the environment names the model; default: the first by name.

Exit codes are those of `nightlite demo`: 0 pushed, 1 failed, 3 nothing pushed, 130 interrupted.
"""

import os
import sys

from rich.console import Console

from nightlite.deployment.client.rest import AirflowRest
from nightlite.deployment.client.runs import EXIT_INTERRUPTED
from nightlite.deployment.local.airflow_config import USER
from nightlite.deployment.local.demo import show_run
from nightlite.deployment.local.start_run import run_under_way, switch_on
from nightlite.deployment.models import first_model
from nightlite.deployment.settings import settings
from nightlite.errors import NightliteError

_VARIABLE = "NIGHTLITE_ADMIN_PASSWORD"


def main() -> int:
    console = Console()
    try:
        with AirflowRest.login("http://api-server:8080", USER, os.environ[_VARIABLE]) as rest:
            model = first_model(os.environ.get("MODEL"))
            switch_on(rest, model.pipeline_name, console)
            # A new deployment starts its first run by itself.
            run_id = run_under_way(rest, model.pipeline_name) or rest.trigger(model.pipeline_name).dag_run_id
            code = show_run(settings(), rest, model, run_id, console, os.environ["AIRFLOW__API__BASE_URL"])
    except NightliteError as error:
        print(f"compose-demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        console.print("\nNot watching any more; the run goes on.")
        return EXIT_INTERRUPTED
    console.print(f"Log in as: {USER}, password in .env ({_VARIABLE})\nTo stop:   docker compose down", soft_wrap=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
