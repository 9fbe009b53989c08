"""The measuring programs: each sees what it should, whatever the figure."""

import subprocess
import sys

import pytest

from bench import dag_parse, program
from bench.peak_memory import PeakMemory
from nightlite.deployment.settings import Settings
from nightlite.errors import NightliteError
from nightlite.runner.compiled_pipeline import CompiledPipeline, Node


@pytest.fixture
def settings(tmp_path) -> Settings:
    """Return settings whose TFX environment is this one, because only the calling is tested."""
    return Settings(var_dir=tmp_path, tfx_python=sys.executable, compiled_dir=None)


def test_peak_memory_sees_the_descendants():
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'b = bytearray(300 * 2**20); input()'])"
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE)
    with PeakMemory([process.pid]) as peak:
        while peak.mebibytes < 300 and process.poll() is None:
            pass
    process.communicate(b"\n")
    assert 300 <= peak.mebibytes < 400


@pytest.mark.skipif(sys.platform != "linux", reason="NOT TESTED: only Linux keeps a process's peak")
def test_peak_memory_sees_a_peak_that_is_over():
    code = "b = bytearray(300 * 2**20); del b; print(flush=True); input()"
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    process.stdout.readline()
    with PeakMemory([process.pid]) as peak:
        pass
    process.communicate(b"\n")
    assert 300 <= peak.mebibytes < 400


def test_the_yardstick_of_the_parse_has_the_pipelines_edges_and_is_parsed(settings, tmp_path):
    nodes = (Node(id="A", type="x"), Node(id="B.b", type="x", upstream=("A",)))
    compiled = CompiledPipeline(tfx_version="1.21.0", name="p", nodes=nodes, ir={})
    folder = dag_parse.write_empty_dag(compiled, tmp_path / "empty")
    assert "{'A': [], 'B.b': ['A']}" in (folder / "empty.py").read_text()
    assert dag_parse.parse(settings, folder) > 0
    (folder / "broken.py").write_text("import airflow, nowhere  # dag")
    with pytest.raises(NightliteError, match="could not be parsed: .*nowhere"):
        dag_parse.parse(settings, folder)


def test_a_program_that_fails_is_quoted(settings):
    with pytest.raises(NightliteError, match="(?s)bench.parse_folder failed with exit code 1; its last lines:.*no DAG"):
        program.ask(settings, "bench.parse_folder", str(settings.var_dir))


def test_a_missing_environment_is_named(settings, tmp_path):
    absent = settings.model_copy(update={"tfx_python": tmp_path / "python"})
    with pytest.raises(NightliteError, match="Received: No such file or directory. Run 'make setup'"):
        program.run(absent, "bench.tfx.digits")
