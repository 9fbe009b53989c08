"""What measures the stack's memory: a look that fails is no look, and is not passed over. Needs no engine."""

import threading

import pytest

from tests.compose import deployment
from tests.compose.deployment import peak_memory


def test_it_is_the_sum_over_the_containers(monkeypatch: pytest.MonkeyPatch) -> None:
    enough = threading.Semaphore(0)

    def docker(*_: str) -> str:
        enough.release()
        return '{"MemUsage": "1.5GiB / 4GiB"}\n{"MemUsage": "512MiB / 1GiB"}\n{"MemUsage": "0B / 0B"}\n'

    monkeypatch.setattr(deployment, "docker", docker)
    with peak_memory(["a", "b", "c"], at_least=3) as looks:
        for _ in range(3):
            enough.acquire(timeout=60)
    assert len(looks) >= 3 and set(looks) == {2 * 1024**3}


def test_a_look_that_fails_fails_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = threading.Event()

    def docker(*_: str) -> str:
        looked.set()
        raise AssertionError("docker stats: no such container")

    monkeypatch.setattr(deployment, "docker", docker)
    with pytest.raises(AssertionError, match="no such container"), peak_memory(["gone"], at_least=0):
        looked.wait(60)


def test_too_few_looks_fail_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deployment, "docker", lambda *_: '{"MemUsage": "1MiB / 4GiB"}\n')
    with pytest.raises(AssertionError, match=r"only \d+ looks"), peak_memory(["a"], at_least=10**9):
        pass
