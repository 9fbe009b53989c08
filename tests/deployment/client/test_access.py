"""The address of Airflow and the user who asks it, as the environment says."""

import io
import json
from pathlib import Path

import pytest

from nightlite.deployment.client.access import Access, ask_password, find_access
from nightlite.deployment.settings import Settings
from nightlite.errors import SettingsError

URL = "https://airflow.example.com"


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name in ("URL", "USER", "PASSWORD", "PASSWORD_FILE", "TOKEN"):
        monkeypatch.delenv(f"NIGHTLITE_{name}", raising=False)
    return Settings(var_dir=tmp_path, port=8080)


def set_variables(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    for name, value in values.items():
        monkeypatch.setenv(f"NIGHTLITE_{name.upper()}", value)


def make_local(config: Settings, port: int = 8099) -> None:
    home = config.var_dir / "airflow"
    home.mkdir()
    (home / "passwords.json").write_text(json.dumps({"admin": "secret", "viewer": "other"}))
    (home / "stack.json").write_text(json.dumps({"port": port}))


def secret(access: Access | None) -> str:
    assert access
    return access.password.get_secret_value()


def test_without_variables_it_is_the_local_airflow_at_the_port_where_it_was_started(config: Settings) -> None:
    assert find_access(config) is None
    make_local(config)
    access = find_access(config)
    assert access and (access.url, access.user, secret(access)) == ("http://127.0.0.1:8099", "admin", "secret")


def test_another_user_of_the_local_airflow(config: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    make_local(config)
    set_variables(monkeypatch, user="viewer")
    assert secret(find_access(config)) == "other"
    set_variables(monkeypatch, user="nobody")
    with pytest.raises(SettingsError, match="expected the password of nobody in .*passwords.json"):
        find_access(config)


def test_the_local_password_is_sent_to_no_other_address(config: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    make_local(config)
    set_variables(monkeypatch, url=URL, user="admin")
    with pytest.raises(SettingsError, match="expected NIGHTLITE_PASSWORD"):
        find_access(config)


def test_a_password_comes_from_a_variable_a_file_or_a_prompt(
    config: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    set_variables(monkeypatch, url=URL + "/", user="operator")
    asked: list[str] = []
    access = find_access(config, lambda whose: asked.append(whose) or "typed")
    assert access and (access.url, secret(access)) == (URL, "typed")
    assert asked == [f"operator at {URL}"]
    (tmp_path / "file").write_text("from a file\n")
    set_variables(monkeypatch, password_file=str(tmp_path / "file"))
    assert secret(find_access(config)) == "from a file"
    set_variables(monkeypatch, password="from a variable")
    with pytest.raises(SettingsError, match="Received: both"):
        find_access(config)
    monkeypatch.delenv("NIGHTLITE_PASSWORD_FILE")
    assert secret(find_access(config)) == "from a variable"


def test_a_token_needs_no_user(config: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    set_variables(monkeypatch, url=URL, token="abc")
    access = find_access(config)
    assert access and access.token and access.token.get_secret_value() == "abc"
    assert "abc" not in repr(access)


@pytest.mark.parametrize("url", ["airflow.example.com", "ftp://host", "https://user:pw@host", "http://"])
def test_an_address_that_is_none_is_refused(config: Settings, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    set_variables(monkeypatch, url=url, user="u", password="p")
    with pytest.raises(SettingsError, match="NIGHTLITE_URL: .*expected http://HOST"):
        find_access(config)


def test_a_terminal_is_asked_and_shows_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("getpass.getpass", lambda question: f"unseen, asked {question}")
    assert ask_password("admin") == "unseen, asked Password of admin: "


def test_where_no_one_can_be_asked_it_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("secret\n"))
    with pytest.raises(SettingsError, match="^Password of admin: expected NIGHTLITE_PASSWORD, .* Received: neither$"):
        ask_password("admin")


def test_no_proxy_leads_back_to_this_machine() -> None:
    for url in ("http://127.0.0.1:8080", "http://localhost:8080", "http://[::1]:8080"):
        assert not Access(url=url).is_remote
    for url in ("http://api-server:8080", "https://127.0.0.1.example.com", "http://10.0.0.1"):
        assert Access(url=url).is_remote
