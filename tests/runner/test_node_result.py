import json

import pytest
from pydantic import ValidationError

from nightlite.runner.node_result import NodeResult, OutputArtifact


def test_it_is_read_as_it_was_written(tmp_path):
    written = NodeResult(
        node_id="Pusher.mnist_lite",
        run_id="manual__2026-11-23T02:00:00+00:00",
        state="skipped",
        reason='not blessed: "0.91" < 0.97 \u2603\n',
        execution_id=9,
        outputs={"pushed_model": [OutputArtifact(id=4, type="PushedModel", uri="/var/pushed")]},
        blessed=False,
        seconds=0.5,
    )
    written.write(tmp_path / "result.json")
    assert NodeResult.read(tmp_path / "result.json") == written
    assert json.loads(json.dumps(written.model_dump(mode="json"))) == written.model_dump(mode="json")
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]


@pytest.mark.parametrize("content", ["", "{}", '{"node_id": "a", "run_id": "b", "state": "great"}'])
def test_what_it_refuses(tmp_path, content):
    (tmp_path / "result.json").write_text(content)
    with pytest.raises(ValidationError):
        NodeResult.read(tmp_path / "result.json")
