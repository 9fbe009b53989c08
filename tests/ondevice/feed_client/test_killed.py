"""A client that is killed at any step: it has the old file or the new one, and the next fetch goes on."""

from pathlib import Path

import pytest

from nightlite import durable
from tests.ondevice.feed_client.phones import Asked, PythonPhone
from tests.ondevice.feed_client.publisher import Publisher


class Killed(BaseException):
    """Stands for SIGKILL: no one catches it."""


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("step", ["write", "link", "sync"])
def test_a_killed_fetch_leaves_a_good_file(
    step: str, moment: str, feed: Publisher, asked: Asked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    phone = PythonPhone(tmp_path / "phone")
    phone.update(asked)
    feed.release_factor("3.00")
    feed.publish()
    do = getattr(durable, step)

    def killed(*arguments: object) -> None:
        if moment == "after":
            do(*arguments)
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(durable, step, killed)
        with pytest.raises(Killed):
            phone.update(asked)
    assert phone.file() == (b"3.00" if (step, moment) == ("link", "after") else b"2.00")
    assert phone.update(asked).kind == "done"
    assert phone.file() == b"3.00"
