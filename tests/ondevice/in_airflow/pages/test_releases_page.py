"""The page of a model's releases: what it says of each, and who may read it and their files."""

import html
import json
import re
import urllib.parse
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from nightlite.ondevice.approval import Approval
from nightlite.ondevice.folders import ModelFolders
from nightlite.ondevice.in_airflow.pages import releases_page
from nightlite.ondevice.in_airflow.pages.app import FILE_HEADERS, HEADERS
from nightlite.ondevice.in_airflow.pages.links import URL_PREFIX
from nightlite.ondevice.releases.release import Release
from nightlite.ondevice.releases.store import Releases
from nightlite.ondevice.rollout.plan import Plan
from nightlite.ondevice.settings import model_prefix
from tests.ondevice.in_airflow.pages.conftest import Get
from tests.ondevice.releases.made_releases import describe, push
from tests.tiny_table.on_device import MODEL

PAGE = f"{URL_PREFIX}/dags/iris_tflite/releases"
APPROVED = Approval(decision="approved", user="ann <b>", at=datetime(2026, 11, 24, 3, tzinfo=UTC))


def push_described(releases: Releases, content: str, run_id: str, **said: Any) -> None:
    """Push a file whose manifest says more."""
    releases.folder.mkdir(parents=True, exist_ok=True)
    model = releases.folder.parent / "model"
    model.write_text(content)
    described = describe(run_id).model_copy(update=said)
    releases.push(model, described, who="Pusher", documents=lambda _: {"model_card.md": b"# A card"})


def text_of(page: str, version: int) -> str:
    """Return the words of one version's row."""
    [row] = re.findall(rf'<tr role="row" id="release-{version}">(.*?)</tr>', page, re.DOTALL)
    return " ".join(re.sub("<[^>]*>", " ", row).split())


@pytest.fixture
def three(tmp_path: Path) -> Releases:
    releases = Releases(tmp_path / "releases")
    measured = {"latency_ms": {"p50": 0.0415}}
    push_described(releases, "one", "manual__2026-11-24T03:00:00+00:00/x", measurements=measured, approval=APPROVED)
    for number in (2, 3):
        push_described(releases, f"model {number}", f"run-{number}")
    return releases


def page_of(releases: Releases) -> str:
    return releases_page.releases_page("iris_tflite", releases)


def test_a_release_has_its_figures_its_approver_and_links_to_all_that_proves_it(three: Releases) -> None:
    page = page_of(three)
    said = text_of(page, 1)
    assert said.startswith(f"1 {three.release(1).manifest.created:%Y-%m-%d %H:%M} released 99.00 % 3 bytes 0.0415 ms")
    assert "no ann &lt;b&gt; report try it file manifest model card" in said
    assert 'href="runs/manual__2026-11-24T03%3A00%3A00%2B00%3A00%2Fx/report.html"' in page
    linked = ("try", "model.tflite", "manifest.json", "model_card.md")
    assert all(f'href="releases/1/{name}"' in page for name in linked)
    assert "n/a no not asked" in text_of(page, 2)
    assert [int(number) for number in re.findall(r'id="release-(\d+)"', page)] == [3, 2, 1]
    assert ["latest" in text_of(page, number) for number in (1, 2, 3)] == [False, False, True]


def test_a_regressions_figure_is_its_mean_error(tmp_path: Path) -> None:
    releases = Releases(tmp_path / "releases")
    push_described(releases, "one", "run-1", metrics={"mean_absolute_error": 4.25}, unit="mg/dl", labels=())
    page = page_of(releases)
    assert "4.25 mg/dl" in text_of(page, 1) and ">mean error</th>" in page and "accuracy" not in page


def test_a_rollback_moves_latest_and_names_what_it_bars(three: Releases) -> None:
    three.rollback(1, who="joe", why="slow on <old> phones")
    page = page_of(three)
    assert "latest" in text_of(page, 1) and "barred" not in text_of(page, 1)
    for number in (2, 3):
        assert "barred rolled back by joe," in text_of(page, number)
        assert "slow on &lt;old&gt; phones" in text_of(page, number)
    three.rollback(3, who="joe", why="only on one")
    page = page_of(three)
    # A rollback to a release lifts that for it alone.
    assert ["barred" in text_of(page, number) for number in (1, 2, 3)] == [False, True, False]
    assert "only on one" in page
    assert "nightlite models verify --model iris --all" in page_of(three)


def words_of_channel(page: str, channel: str) -> str:
    [row] = re.findall(rf"<dt>{channel}</dt>(.*?)</dd>", page, re.DOTALL)
    return " ".join(html.unescape(re.sub("<[^>]*>", " ", row)).replace("\u200b", "").split())


def test_the_page_says_which_phones_of_each_channel_get_what_and_the_next_step(
    three: Releases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"{model_prefix(MODEL)}ROLLOUT", "10,50")
    assert "Which phones get what now" not in page_of(three)
    ModelFolders(three.folder.parent).feed.mkdir(parents=True)
    page = page_of(three)
    assert words_of_channel(page, "beta") == words_of_channel(page, "stable") == "release 3 all"
    push(three, "model 4", "run-4", Plan((100, 500)), least_app_version=2)
    page = page_of(three)
    assert words_of_channel(page, "beta") == "release 4 all · apps too old for that: release 3"
    assert words_of_channel(page, "stable") == "release 4 10 %, release 3 90 %"
    assert "flex-grow: 100" in page and "flex-grow: 900" in page
    assert re.search(r"Release 4 goes to 50 % of stable with the feed&#39;s first renewal after \d{4}-", page)
    assert "latest all of beta, 10 % of stable" in text_of(page, 4) and "90 % of stable" in text_of(page, 3)
    assert ">push, 10 %</td>" in page
    three.halt(4, who="joe", why="slow on <old> phones")
    page = page_of(three)
    assert "barred halted by joe," in text_of(page, 4) and "slow on &lt;old&gt; phones" in text_of(page, 4)
    assert words_of_channel(page, "beta") == words_of_channel(page, "stable") == "release 3 all"
    assert "first renewal after" not in page
    monkeypatch.setenv(f"{model_prefix(MODEL)}ROLLOUT", "much")
    assert f"{model_prefix(MODEL)}ROLLOUT: expected growing percents" in page_of(three)


def test_a_release_that_phones_should_get_and_that_cannot_be_read_is_said(three: Releases) -> None:
    ModelFolders(three.folder.parent).feed.mkdir(parents=True)
    (three.folder / "3" / "manifest.json").write_text("{")
    page = page_of(three)
    assert page.count("expected release 3, which phones should get") == 2
    assert "Which phones get what now" not in page and "damaged" in text_of(page, 3)


def test_damage_is_shown_in_its_own_row(three: Releases) -> None:
    (three.folder / "1" / "manifest.json").write_text("{")
    (three.folder / "2" / "model.tflite").write_text("longer than it was")
    page = page_of(three)
    assert "damaged" in text_of(page, 1) and "not a release&#39;s manifest" in text_of(page, 1)
    assert "expected 7 bytes. Received: 18. Do not use this release" in text_of(page, 2)
    assert "damaged" not in text_of(page, 3) and "99.00 %" in text_of(page, 3)
    (three.folder / "2" / "model.tflite").unlink()
    (three.folder / "2" / "manifest.json").unlink()
    assert "cannot be read: No such file" in text_of(page_of(three), 2)
    (three.folder / "3" / "model_card.md").unlink()
    assert "expected model_card.md. Received: no such file" in text_of(page_of(three), 3)


def test_a_damaged_history_or_latest_hides_no_release(three: Releases) -> None:
    (three.folder / "history.jsonl").write_text("half a li")
    (three.folder / "latest").unlink()
    (three.folder / "latest").symlink_to("elsewhere")
    page = page_of(three)
    assert "history.jsonl, line 1: not an event" in page and "expected a link to a version" in page
    assert [text_of(page, number).count("99.00 %") for number in (1, 2, 3)] == [1, 1, 1]


def test_without_a_release_it_says_so(tmp_path: Path) -> None:
    assert "No release yet" in page_of(Releases(tmp_path / "none"))


def test_a_hundred_releases_cost_one_read_of_each_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    releases = Releases(tmp_path / "releases")
    for number in range(1, 101):
        push(releases, f"model {number}", f"run-{number}")
    opened: list[str] = []
    read_bytes = Path.read_bytes

    def counted(path: Path) -> bytes:
        opened.append(path.name)
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", counted)
    page = page_of(releases)
    assert page.count('<tr role="row" id="release-') == 100
    assert sorted(opened) == ["history.jsonl", *["manifest.json"] * 100]
    assert "The newest 50 of 100" in page


@pytest.mark.parametrize(
    ("dag_id", "name"),
    [("iris_tflite", "iris"), ("iris", None), ("_tflite", None), (".._tflite", None), ("iris_ingest", None)],
)
def test_only_a_models_nightly_dag_has_releases(dag_id: str, name: str | None) -> None:
    assert releases_page.model_of(dag_id) == name


@pytest.fixture(scope="module")
def served(var_dir: Path) -> Release:
    """Return the latest of two releases of the deployment's."""
    releases = Releases(var_dir / "iris" / "releases")
    for number in (1, 2):
        push_described(releases, f"model {number}", f"run-{number}")
    (var_dir / "iris" / "secret.txt").write_text("secret")
    latest = releases.latest()
    assert latest
    return latest


def test_whoever_may_read_the_runs_reads_the_page_and_follows_its_links(get: Get, served: Release) -> None:
    answer = get(PAGE)
    assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (200, "text/html")
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    kinds = {"model.tflite": "application/octet-stream", "manifest.json": "application/json"}
    for name, kind in {**kinds, "model_card.md": "text/plain"}.items():
        [link] = re.findall(rf'href="([^"]*/2/{name})"', answer.text)
        file = get(urllib.parse.urljoin(PAGE, link))
        assert (file.status_code, file.headers["content-type"].partition(";")[0]) == (200, kind)
        assert file.content == (served.folder / name).read_bytes()
        assert {name: file.headers[name] for name in FILE_HEADERS} == FILE_HEADERS
    assert json.loads(get(f"{PAGE}/2/manifest.json").text)["version"] == 2
    assert get(f"{PAGE}/2/model.tflite").headers["content-disposition"] == 'attachment; filename="model.tflite"'
    assert get(f"{PAGE}/2/model_card.md").headers["content-disposition"].startswith("inline")


def test_the_file_is_asked_for_by_head_and_in_parts(get: Get, served: Release) -> None:
    whole, head = get(f"{PAGE}/2/model.tflite"), get(f"{PAGE}/2/model.tflite", method="HEAD")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["etag"] == whole.headers["etag"] != get(f"{PAGE}/1/model.tflite").headers["etag"]
    assert (head.headers["content-length"], head.headers["accept-ranges"]) == ("7", "bytes")
    part = get(f"{PAGE}/2/model.tflite", Range="bytes=2-4")
    assert (part.status_code, part.content, part.headers["content-range"]) == (206, b"del", "bytes 2-4/7")
    other = get(f"{PAGE}/2/model.tflite", **{"Range": "bytes=2-4", "If-Range": '"another"'})
    assert (other.status_code, other.content) == (200, b"model 2")
    assert get(f"{PAGE}/2/model.tflite", Range="bytes=9-").status_code == 416
    assert get(PAGE, method="HEAD").status_code == 200


@pytest.mark.parametrize("path", [PAGE, f"{PAGE}/2/model.tflite", f"{PAGE}/9/nope", PAGE.replace("iris", "none")])
def test_without_a_login_it_is_401_and_without_permission_403(get: Get, served: Release, path: str) -> None:
    assert [get(path, role).status_code for role in (None, "")] == [401, 403]
    assert get(path, None, method="HEAD").status_code == 401


def test_permission_is_asked_for_the_runs_of_the_dag(
    get: Get, served: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity

    asked = []

    def only_another(*, method: str, user: object, access_entity: object, details: Any) -> bool:
        asked.append((method, access_entity, details.id))
        return bool(details.id == "another_tflite")

    monkeypatch.setattr(get_auth_manager(), "is_authorized_dag", only_another)
    assert get(f"{PAGE}?dag_id=another_tflite").status_code == 403
    assert get(f"{PAGE}/2/model.tflite?dag_id=another_tflite").status_code == 403
    assert asked == [("GET", DagAccessEntity.RUN, "iris_tflite")] * 2
    # Of one model, the reader of another's DAG sees nothing.
    assert "No release yet" in get(PAGE.replace("iris", "another")).text


@pytest.mark.parametrize(
    "path",
    [
        *("2/nope", "2/..%2F1%2Fmodel.tflite", "2/%2Fetc%2Fpasswd", "2/%00", "3/model.tflite", "02x/model.tflite"),
        *("latest/model.tflite", "0/model.tflite", "-1/model.tflite", "2/..%2F..%2F..%2Fsecret.txt"),
    ],
)
def test_nothing_else_is_served(get: Get, served: Release, path: str) -> None:
    answer = get(f"{PAGE}/{path}")
    assert answer.status_code in (404, 422)
    assert "secret" not in answer.text and "model 1" not in answer.text


def test_another_dags_tab_says_that_it_makes_no_releases(get: Get, served: Release) -> None:
    answer = get(PAGE.replace("iris_tflite", "iris_ingest"))
    assert (answer.status_code, "makes no releases" in answer.text) == (404, True)
