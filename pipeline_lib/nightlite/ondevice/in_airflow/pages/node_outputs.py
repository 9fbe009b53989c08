"""Lists what a task's node made: its artifacts, and the release."""

from pathlib import Path

from nightlite.ondevice.folders import ModelFolders
from nightlite.ondevice.results.node_facts import facts_of
from nightlite.ondevice.settings import Settings
from nightlite.runner.in_airflow.pages.output_files import NodeOutput, artifacts_of
from nightlite.runner.node_result import NodeResult

RELEASE = "release"


def folders_around(uri: str, config: Settings) -> ModelFolders:
    """Return the folders of the model whose artifact or release the URI names, whether they exist or not."""
    parts = Path(uri).parts[len(config.var_dir.parts) :]
    return config.folders(parts[0] if parts else "")


def outputs_of(result: NodeResult, config: Settings) -> list[NodeOutput]:
    """Return the node's artifacts, and the release that it made or found."""
    outputs = [
        NodeOutput(str(item.id), title, item.uri, [folders_around(item.uri, config).artifacts])
        for title, item in artifacts_of(result)
    ]
    facts = facts_of(result)
    if facts.pushed_version and facts.pushed_to:
        title = f"release {facts.pushed_version}: sha256 {facts.pushed_sha256 or 'unknown'}"
        within = folders_around(facts.pushed_to, config).releases
        outputs.append(NodeOutput(RELEASE, title, facts.pushed_to, [within]))
    return outputs
