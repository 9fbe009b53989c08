"""The profile feed: what phones are answered, and all that its web server can see."""

import hashlib
import json
import shlex
from collections.abc import Iterator

import httpx
import pytest

from nightlite.ondevice.feed.keys import public_keys
from tests.compose.deployment import Deployment, docker
from tests.ondevice.feed.made_feed import signers
from tests.real_airflow import free_port

SECONDS = 60  # for an answer, on a busy host
IMMUTABLE = "public, max-age=31536000, immutable"


@pytest.fixture
def feed(deployment: Deployment) -> Iterator[httpx.Client]:
    """Yield a phone's way to the feed of a deployment that has keys, until the test is over."""
    port = free_port()
    profile = {"COMPOSE_PROFILES": "feed", "NIGHTLITE_FEED_PORT": str(port)}
    for command in ("nightlite feed keys", "nightlite feed publish --model mnist"):
        deployment.compose("exec", "-T", "scheduler", *shlex.split(command))
    try:
        deployment.compose("up", "-d", "--wait", "feed", settings=profile)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=SECONDS, trust_env=False) as client:
            yield client
    finally:
        deployment.compose("rm", "--force", "--stop", "feed", settings=profile)
        # Without keys there is no feed's DAG in the other tests.
        deployment.compose("exec", "-T", "scheduler", "rm", "-r", "/var/lib/nightlite/feed-keys")


def test_phones_read_the_feed_and_reach_nothing_else(deployment: Deployment, feed: httpx.Client) -> None:
    keys = deployment.compose("exec", "-T", "scheduler", "cat", "/var/lib/nightlite/feed-keys/app-keys.pem")
    found = feed.get("/mnist/stable/latest.json").raise_for_status()
    signatures = feed.get("/mnist/stable/latest.json.sig").raise_for_status()
    assert signers(found.content, signatures.text, public_keys(keys.encode())) == {found.json()["key_id"]}
    assert found.headers["Cache-Control"] == "public, max-age=60, must-revalidate"
    assert signatures.headers["Cache-Control"] == "public, no-cache"
    # Nothing new: an answer without a content.
    again = feed.get("/mnist/stable/latest.json", headers={"If-None-Match": found.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    offer = found.json()["offers"][0]
    model = feed.get(f"/mnist/{offer['url']}").raise_for_status()
    assert hashlib.sha256(model.content).hexdigest() == offer["sha256"]
    assert model.headers["Cache-Control"] == IMMUTABLE and "ETag" in model.headers
    # GET and HEAD of public files, and nothing else.
    assert feed.head("/mnist/stable/latest.json").status_code == 200
    refused = [feed.request(method, "/mnist/stable/latest.json") for method in ("POST", "PUT", "DELETE", "PATCH")]
    assert {answer.status_code for answer in refused} == {405}
    for path in ("/", "/mnist/", "/mnist/.lock", "/../feed-keys/keys.json", "/mnist/..%2f..%2ffeed-keys/keys.json"):
        assert feed.get(path).status_code in (400, 404), path

    [container] = json.loads(docker("inspect", deployment.container("feed")))
    assert list(container["NetworkSettings"]["Networks"]) == [f"{deployment.project}_phones"]
    assert [(mount["Destination"], mount["RW"]) for mount in container["Mounts"] if mount["Type"] == "volume"] == [
        ("/var/lib/nightlite/feed", False)
    ]
    environment = "\n".join(container["Config"]["Env"])
    assert not [name for name, secret in deployment.secrets().items() if secret in environment]
    [binding] = container["NetworkSettings"]["Ports"]["8081/tcp"]
    assert binding["HostIp"] == "127.0.0.1"
    ask = "import socket; socket.create_connection(('api-server', 8080), timeout=5)"
    said = deployment.compose(
        "exec", "-T", "feed", "python", "-c", ask, settings={"COMPOSE_PROFILES": "feed"}, check=False
    )
    assert "gaierror" in said
