"""A client of Airflow's REST API and the commands that use it. Both environments can import it: it needs no Airflow."""

import sys

# httpx would import its own command line, and click and pygments with it: half of a command's time.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
