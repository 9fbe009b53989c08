"""`nightlite feed`, in the environment that checks the releases' signatures."""

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from nightlite.deployment.in_tfx import feed_commands, releases_commands
from nightlite.deployment.models import names
from nightlite.ondevice.feed import uploaded
from nightlite.ondevice.in_tfx import publish_feed
from nightlite.ondevice.releases.signing import sign
from nightlite.ondevice.releases.store import Releases
from nightlite.ondevice.settings import rollout_plan, settings
from nightlite.settings import forget_settings
from tests.help_texts import broken_paragraphs
from tests.ondevice.releases.made_releases import describe, push

MODEL = names()[0]


@pytest.fixture(autouse=True)
def var_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NIGHTLITE_VAR_DIR", str(tmp_path))
    forget_settings()
    yield tmp_path
    forget_settings()


@pytest.fixture
def releases() -> Releases:
    found = Releases(settings().folders(MODEL).releases)
    push(found, "one", "run-1")
    return found


def feed(*arguments: str) -> str:
    done = CliRunner().invoke(feed_commands.app, ["feed", *arguments], catch_exceptions=False)
    return done.stdout


def test_its_help_flows() -> None:
    assert broken_paragraphs(feed_commands.app) == []


def test_keys_then_a_feed_then_a_rotation(releases: Releases) -> None:
    assert feed("keys").count("BEGIN PUBLIC KEY") == 2
    assert "stable offers 1" in feed("publish", "--model", MODEL)
    first = json.loads(feed("show", "--model", MODEL, "--json"))
    assert "signed by the current key" in feed("show", "--model", MODEL)
    told = feed("rotate")
    assert f"{MODEL}: published sequence" in told
    assert f"signs now. The private key of {first['key_id']} was removed\n" in told
    assert "The app's next version must ship" in told
    second = json.loads(feed("show", "--model", MODEL, "--json"))
    assert (second["sequence"] > first["sequence"], second["key_id"] != first["key_id"]) == (True, True)


def test_a_second_rotation_is_asked_for_twice(releases: Releases) -> None:
    feed("keys")
    first = feed("rotate").split()[1]
    with pytest.raises(Exception, match="another locks out every app .* --again"):
        feed("rotate")
    assert f"The private key of {first} was removed" in feed("rotate", "--again")


def test_a_rotation_waits_for_no_other_model(releases: Releases) -> None:
    feed("keys")
    (releases.folder / "1" / "model.tflite").write_bytes(b"onE")
    with pytest.raises(Exception, match=f"the keys are rotated, but not every feed is published: {MODEL}: "):
        feed("rotate")


def test_show_tells_what_is_missing_or_has_expired(releases: Releases, monkeypatch: pytest.MonkeyPatch) -> None:
    feed("keys")
    with pytest.raises(Exception, match="Received: none; publish one with 'nightlite feed publish'"):
        feed("show", "--model", MODEL)
    feed("publish", "--model", MODEL)
    assert CliRunner().invoke(feed_commands.app, ["feed", "show", "--model", MODEL]).exit_code == 0
    monkeypatch.setattr("nightlite.ondevice.feed.document.Document.is_expired", lambda self, now: True)
    done = CliRunner().invoke(feed_commands.app, ["feed", "show", "--model", MODEL])
    assert (done.exit_code, "EXPIRED" in done.stdout) == (1, True)


def test_a_release_whose_signature_is_not_good_is_not_published(
    releases: Releases, var_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private, public = var_dir / "signing.pem", var_dir / "verifying.pem"
    subprocess.run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", private], check=True)
    subprocess.run(["openssl", "ec", "-in", private, "-pubout", "-out", public], check=True, capture_output=True)
    monkeypatch.setenv("NIGHTLITE_VERIFYING_KEY", str(public))
    forget_settings()
    feed("keys")
    assert publish_feed.main([MODEL]) == 1
    model = var_dir / "two"
    model.write_text("two")
    releases.push(model, describe("run-2"), who="Pusher", sign=lambda folder: sign(folder, private))
    assert publish_feed.main([MODEL]) == 0


def test_a_roll_out_grows_by_a_renewal_and_a_halt_is_told_at_once(
    releases: Releases, var_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"NIGHTLITE_{MODEL.upper()}_ROLLOUT", "10,50")
    feed("keys")
    feed("publish", "--model", MODEL)
    (var_dir / "two").write_text("two")
    releases.push(var_dir / "two", describe("run-2"), who="Pusher", plan=rollout_plan(MODEL))
    assert "stable offers 2 to 10 %, 1" in feed("publish", "--model", MODEL)
    told = feed("show", "--model", MODEL, "--channel", "stable").splitlines()[1:]
    assert [line.split(",")[0] for line in told] == ["  2 to 10 %", "  1 to all others"]
    assert "stable offers 2 to 10 %, 1" in feed("publish", "--model", MODEL)
    # As if the share was given a day ago.
    monkeypatch.setattr("nightlite.ondevice.rollout.state.REST", timedelta(0))
    assert "stable offers 2 to 50 %, 1" in feed("publish", "--model", MODEL)
    done = CliRunner().invoke(
        releases_commands.app, ["models", "halt", "2", "--reason", "slow", "--model", MODEL], catch_exceptions=False
    )
    assert "beta offers 1; stable offers 1" in done.stdout
    assert [event.who for event in releases.history() if event.action == "rollout"] == ["the feed's renewal"]


def test_a_share_does_not_grow_where_a_bucket_never_got_the_last_step(
    releases: Releases, var_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"NIGHTLITE_{MODEL.upper()}_ROLLOUT", "10,50")
    monkeypatch.setenv("NIGHTLITE_FEED_URL", "s3://phones/feed")
    monkeypatch.setattr("nightlite.ondevice.rollout.state.REST", timedelta(0))
    forget_settings()
    feed("keys")
    (var_dir / "two").write_text("two")
    releases.push(var_dir / "two", describe("run-2"), who="Pusher", plan=rollout_plan(MODEL))
    for _ in range(2):
        assert "stable offers 2 to 10 %, 1" in feed("publish", "--model", MODEL)
    folders = settings().folders(MODEL)
    uploaded.note(folders, uploaded.document_in(folders.feed))
    assert "stable offers 2 to 50 %, 1" in feed("publish", "--model", MODEL)
    assert "stable offers 2 to 50 %, 1" in feed("publish", "--model", MODEL)
    done = CliRunner().invoke(releases_commands.app, ["models", "halt", "2", "--reason", "slow", "--model", MODEL])
    assert done.stdout.endswith(f"s3://phones/feed gets it from the DAG {MODEL}_feed: trigger that now\n")


def test_the_program_answers_in_json(releases: Releases, capsys: pytest.CaptureFixture[str]) -> None:
    feed("keys")
    assert publish_feed.main([MODEL]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["said"].startswith(
        f"{MODEL}: published sequence {answer['sequence']}; beta offers 1; stable offers 1"
    )


def test_the_program_says_why_it_could_not(releases: Releases, capsys: pytest.CaptureFixture[str]) -> None:
    assert publish_feed.main([MODEL]) == 1
    assert capsys.readouterr().err.splitlines()[-1].endswith("make them with 'nightlite feed keys'")


def test_the_program_imports_no_tensorflow() -> None:
    program = "import sys; import nightlite.ondevice.in_tfx.publish_feed; print('tensorflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_a_rotation_imports_no_model_and_names_the_upload(
    releases: Releases, var_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NIGHTLITE_FEED_URL", f"file://{var_dir}/bucket")
    forget_settings()
    feed("keys")
    monkeypatch.setattr("nightlite.deployment.models.declared", lambda name: 1 / 0)
    told = feed("rotate")
    assert f"{MODEL}: published sequence" in told
    assert f"/bucket gets it from the DAG {MODEL}_feed: trigger that now" in told
