"""dags/mnist_consumer.py on a folder of releases: what it is told of has to be what it finds."""

from types import SimpleNamespace

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import Asset

from models.mnist.on_device import MODEL
from nightlite.deployment.settings import settings
from nightlite.errors import ReleaseError
from nightlite.ondevice.releases.manifest import sha256_of
from nightlite.ondevice.releases.store import Releases
from nightlite.paths import PROJECT
from nightlite.settings import forget_settings
from tests.ondevice.releases.made_releases import push


@pytest.fixture
def releases(monkeypatch, tmp_path):
    monkeypatch.setenv("NIGHTLITE_VAR_DIR", str(tmp_path))
    forget_settings()
    yield Releases(settings().folders(MODEL.name).releases)
    forget_settings()


@pytest.fixture
def verify(releases):
    """Return the task's function, told of these releases."""
    bag = DagBag(str(PROJECT / "dags" / "mnist_consumer.py"))
    assert bag.import_errors == {}
    function = bag.dags["mnist_consumer"].task_dict["verify"].python_callable

    def told_of(*extras):
        events = [SimpleNamespace(extra=extra) for extra in extras]
        return function(triggering_asset_events={Asset("mnist_releases"): events} if events else {})

    return told_of


def announced(release):
    return {"version": release.version, "sha256": release.manifest.sha256, "metrics": release.manifest.metrics}


def test_the_newest_release_of_which_it_was_told_is_the_one_it_passes_on(verify, releases):
    first, second = (announced(push(releases, f"model {number}", f"run-{number}").release) for number in (1, 2))
    push(releases, "model 3", "run-3")
    assert verify(second, first, {"from": "elsewhere"}) == ["2", second["sha256"]]
    assert verify()[0] == "3"  # triggered by hand


def test_a_release_whose_file_changed_since_its_event_fails_the_task(verify, releases):
    release = push(releases, "model", "run-1").release
    (release.folder / "model.tflite").write_text("MODEL")
    with pytest.raises(ReleaseError, match=r"model\.tflite: expected sha256 .*, as the manifest says\. Received: "):
        verify(announced(release))


def test_a_release_that_was_exchanged_for_another_whole_one_fails_the_task(verify, releases):
    """The file and its manifest agree; only the event knows better."""
    release = push(releases, "model", "run-1").release
    told = announced(release)
    file, manifest = release.folder / "model.tflite", release.folder / "manifest.json"
    file.write_text("MODEL")
    manifest.write_text(manifest.read_text().replace(told["sha256"], sha256_of(file)))
    releases.release(1).verify()
    with pytest.raises(ReleaseError, match=f"expected the file {told['sha256']}. Received: {sha256_of(file)}"):
        verify(told)


def test_without_any_release_it_says_so(verify):
    with pytest.raises(ReleaseError, match="expected a release in .* Received: none yet"):
        verify()
