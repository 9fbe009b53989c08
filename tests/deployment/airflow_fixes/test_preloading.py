"""What the executor imports ahead of its tasks, and that an edit of the library is seen."""

import os
import subprocess
import sys
from multiprocessing import SimpleQueue
from pathlib import Path

from nightlite.deployment.airflow_fixes import preloading

LATER_NS = 10**9


def test_all_that_it_names_can_be_imported(caplog):
    preloading.preload()
    assert not caplog.records


def test_it_imports_no_model_and_no_dag_file():
    use = "from nightlite.deployment.airflow_fixes import preloading; preloading.preload()"
    code = f"import sys; {use}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    names = done.stdout.splitlines()[-1].split()
    assert "nightlite.runner.in_airflow.operators" in names
    assert not [name for name in names if name.partition(".")[0] in ("models", "dags", "tensorflow", "tfx")]


def test_a_module_that_cannot_be_imported_is_logged(monkeypatch, caplog):
    monkeypatch.setattr(preloading, "_MODULES", ("nightlite.no_such_module",))
    preloading.preload()
    assert "nightlite.no_such_module was not imported" in caplog.text


def test_a_worker_forgets_the_library_once_a_file_of_it_has_changed(monkeypatch, tmp_path):
    file = tmp_path / "edited.py"
    file.touch()
    module, other = type(sys)("library_of_a_test.edited"), type(sys)("not_of_the_library")
    module.__file__ = str(file)
    monkeypatch.setattr(preloading, "PACKAGE", Path("library_of_a_test"))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(sys.modules, other.__name__, other)
    own = SimpleQueue()
    queue = preloading.FreshQueue(own)
    own.put("first")
    assert queue.get() == "first" and module.__name__ in sys.modules
    stamp = file.stat().st_mtime_ns + LATER_NS
    os.utime(file, ns=(stamp, stamp))
    own.put("second")
    assert queue.get() == "second" and module.__name__ not in sys.modules
    assert other.__name__ in sys.modules
    own.put(None)
    assert queue.get() is None
