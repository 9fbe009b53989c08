"""The page on TFX's future names the modules that depend on it; and those that do not are where it says."""

from docs import tfx_imports
from tests.setup.test_docs import PROJECT


def test_a_module_that_imports_tfx_is_on_the_page_and_none_of_the_others_parts(monkeypatch) -> None:
    monkeypatch.chdir(PROJECT)
    listed = tfx_imports.modules()
    assert "runner/in_tfx/launcher.py`: ml_metadata, tfx" in listed
    for part in ("in_airflow/", "ondevice/releases/", "ondevice/feed/", "ondevice/feed_client/", "ondevice/gates/"):
        assert part not in listed
    assert "in_tfx/predict/" not in listed and "nightlite/deployment/" not in listed
    page = (PROJECT / "docs" / "explanation" / "why-tfx.md").read_text(encoding="utf-8")
    assert [line for line in listed.splitlines() if line not in page] == []
