"""Night after night: nothing but the metadata store's records grows, and what is compared with stays."""

import os
from pathlib import Path

import pytest

from nightlite.deployment.settings import Settings
from nightlite.ondevice.releases.store import Releases
from nightlite.ondevice.report_files import REFUSED_DATA
from nightlite.runner.in_tfx.mlmd.store import open_store
from nightlite.settings import forget_settings
from tests.faults.tfx.nights import KEEP_RELEASES, KEEP_RUNS, WEEKLY, Night, folders_of, prune, run_node, simulate
from tests.faults.tfx.nodes import files_below
from tests.pipelines import tiny_nights

COUNT = int(os.environ.get("NIGHTLITE_TEST_NIGHTS") or 30)
pytestmark = pytest.mark.timeout(900 + 20 * COUNT)  # the first test lives through them all


@pytest.fixture(scope="module")
def var(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("nights")


@pytest.fixture(scope="module")
def lived(var: Path) -> list[Night]:
    return list(simulate(COUNT, var, weekly=True))


def most(values: list[int]) -> int:
    return max(values, default=0)


def test_disks_and_calls_are_bounded_and_the_store_grows_evenly(lived: list[Night]) -> None:
    half = len(lived) // 2
    early, late = lived[half // 2 + KEEP_RUNS : half + KEEP_RUNS], lived[half + KEEP_RUNS :]
    for name in ("artifact_bytes", "folders", "release_bytes", "calls"):
        before, after = (most([getattr(night, name) for night in part]) for part in (early or late, late))
        assert after <= before * 1.05, (name, before, after)
    # A model for each run that is kept and each release, one piece of data a week.
    limit = (KEEP_RUNS + KEEP_RELEASES + KEEP_RUNS // 7 + 2) * tiny_nights.MODEL_BYTES
    assert late[-1].artifact_bytes <= limit
    # What is a record forever: of a night of five nodes in the store, of a push and a prune in the history.
    for name, most_a_night in (("store_bytes", 16_384), ("history_bytes", 512)):
        first, last = getattr(lived[half], name), getattr(lived[-1], name)
        assert (last - first) / (len(lived) - half) <= most_a_night, name
    assert late[-1].resident_bytes - lived[half].resident_bytes < 100 * 2**20


def test_every_good_night_made_one_release(lived: list[Night], var: Path) -> None:
    good = [number for number in range(COUNT) if number % 3 != 2]
    assert lived[-1].latest == len(good)
    releases = Releases(folders_of(Settings(var_dir=var)).releases)
    assert releases.versions() == list(range(len(good) - KEEP_RELEASES + 1, len(good) + 1))
    for version in releases.versions():
        releases.release(version).verify()


def live(var: Path, kind: str) -> dict[int, Path]:
    """Return the artifacts that exist according to MLMD."""
    with open_store(Settings(var_dir=var).mlmd_url) as handle:
        found = handle.store.get_artifacts_by_type(kind)
    return {item.id: Path(item.uri) for item in found if item.state == item.LIVE}


def test_mlmd_says_of_each_artifact_whether_it_is_there(lived: list[Night], var: Path) -> None:
    for kind in ("Examples", "Model", "InfraBlessing"):
        there = live(var, kind)
        folders = {path.parent for path in there.values()}
        assert len(folders) == 2  # of two models
        assert set(there.values()) == {path for where in folders for path in where.iterdir()}


def test_a_model_that_has_one_run_a_week_keeps_its_own_runs_and_releases(lived: list[Night], var: Path) -> None:
    """However many runs the nightly one has in between, with the same run ids."""
    weeks = (COUNT + 6) // 7
    folders = folders_of(Settings(var_dir=var), WEEKLY)
    releases = Releases(folders.releases)
    good = [f"night-{week}" for week in range(weeks) if week % 3 != 2]
    found = [releases.release(version) for version in releases.versions()]
    assert releases.latest_version() == len(good)
    assert [release.manifest.run_id for release in found] == good[-KEEP_RELEASES:]
    for release in found:
        release.verify()
        assert (release.folder / "model.tflite").read_bytes().startswith(b"weekly' model of night ")
    models = {path.name for path in (folders.artifacts / "Train" / "model").iterdir()}
    assert len(models) >= min(weeks, KEEP_RUNS)


def test_the_numbers_and_texts_of_old_runs_are_removed_too(lived: list[Night], var: Path) -> None:
    """Their URI is a file in the folder, not the folder."""
    root = folders_of(Settings(var_dir=var)).artifacts
    for kind, output in (("Integer", "Release/version"), ("String", "Judge/verdict")):
        there = {path for path in live(var, kind).values() if path.is_relative_to(root)}
        assert there == {folder / "value" for folder in (root / output).iterdir()}
        assert len(there) <= KEEP_RUNS + KEEP_RELEASES


def test_what_the_releases_were_made_of_is_there(lived: list[Night], var: Path) -> None:
    releases = Releases(folders_of(Settings(var_dir=var)).releases)
    for version in releases.versions():
        manifest = releases.release(version).manifest
        assert (live(var, "Model")[manifest.model_artifact_id] / "tflite").is_file()
        assert manifest.artifact_ids["infra_blessing"] in live(var, "InfraBlessing")


def test_a_night_of_long_ago_run_again_is_made_again_and_not_answered_from_a_removed_folder(
    lived: list[Night], var: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same parameters have the same cache key; TFX looks whether what it remembers is still there."""
    monkeypatch.setenv("NIGHTLITE_VAR_DIR", str(var))
    forget_settings()
    for node_id in ("Data", "Train"):
        run_node(node_id, 0, run_id="again")
    said = capsys.readouterr().out
    forget_settings()
    assert "cached" not in said
    assert "Data succeeded" in said and "Train succeeded" in said


def test_what_latest_points_to_stays_after_a_rollback(tmp_path: Path) -> None:
    """However many runs pass: the next one's baseline is its model."""
    list(simulate(5, tmp_path))
    config = Settings(var_dir=tmp_path)
    releases = Releases(folders_of(config).releases)
    oldest = releases.versions()[0]
    releases.rollback(oldest, who="test", why="test")
    releases.prune(1, who="test", why="test")
    prune(config)
    assert releases.latest_version() == oldest
    assert releases.release(oldest).manifest.model_artifact_id in live(tmp_path, "Model")
    assert len(live(tmp_path, "Model")) == 3  # and the newest release's, and the newest run's


def test_what_mlmd_does_not_know_is_left_alone(tmp_path: Path) -> None:
    list(simulate(3, tmp_path))
    config = Settings(var_dir=tmp_path)
    stranger = folders_of(config).artifacts / "Train" / "model" / "99999"
    stranger.mkdir()
    prune(config)
    assert stranger.is_dir() and files_below(folders_of(config).releases)


def test_the_pages_of_refused_data_go_with_their_runs(tmp_path: Path) -> None:
    list(simulate(3, tmp_path))
    config = Settings(var_dir=tmp_path)
    with open_store(config.mlmd_url) as handle:
        ids = sorted(item.id for item in handle.store.get_executions_by_type("tests.pipelines.tiny_nights.Train"))
    pages = [folders_of(config).artifacts / "Gate" / REFUSED_DATA / str(execution_id) for execution_id in ids]
    for page in pages:
        page.mkdir(parents=True)
    prune(config)
    assert [page.exists() for page in pages] == [False, False, True]
