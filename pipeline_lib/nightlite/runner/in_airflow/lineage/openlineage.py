"""A node's run as OpenLineage tells it: its artifacts are datasets, its result is a facet of the run.

It imports `apache-airflow-providers-openlineage`, which the extra `openlineage` brings.
"""

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from airflow.providers.openlineage.extractors import OperatorLineage
from attrs import define
from openlineage.client.event_v2 import Dataset, InputDataset, OutputDataset
from openlineage.client.facet_v2 import RunFacet, dataset_type_dataset, dataset_version_dataset

from nightlite.runner.node_result import NodeResult, OutputArtifact

FACET = "nightlite_node"


@define
class NodeRunFacet(RunFacet):  # type: ignore[misc]
    """Facet of a node's run. `pipelineRun` is its name in MLMD without the pipeline's; `facts` holds the metrics."""

    nodeId: str
    pipelineRun: str
    state: str
    executionId: int | None
    reason: str | None
    blessed: bool | None
    pushed: bool | None
    seconds: float
    facts: dict[str, Any]


def lineage_of(result: NodeResult) -> OperatorLineage[Dataset, RunFacet]:
    """Return a node's inputs, outputs and result."""
    facet = NodeRunFacet(
        nodeId=result.node_id,
        pipelineRun=result.run_id,
        state=result.state,
        executionId=result.execution_id,
        reason=result.reason,
        blessed=result.blessed,
        pushed=result.pushed,
        seconds=result.seconds,
        facts=dict(result.facts),
    )
    read = {item.uri: item for items in result.inputs.values() for item in items}
    return OperatorLineage(
        inputs=_datasets(InputDataset, read.values()),
        outputs=_datasets(OutputDataset, result.artifacts()),
        run_facets={FACET: facet},
    )


def name_of(uri: str) -> tuple[str, str]:
    """Return the namespace and the name of an artifact's dataset, as OpenLineage names files and buckets."""
    if "://" not in uri:
        return "file", uri
    parts = urlsplit(uri)
    if parts.scheme == "file":
        return "file", parts.path
    return f"{parts.scheme}://{parts.netloc}", parts.path.lstrip("/") or "/"


def _datasets(kind: type[Dataset], artifacts: Iterable[OutputArtifact]) -> list[Dataset]:
    found = []
    for artifact in artifacts:
        namespace, name = name_of(artifact.uri)
        facets = {
            "datasetType": dataset_type_dataset.DatasetTypeDatasetFacet(datasetType=artifact.type),
            "version": dataset_version_dataset.DatasetVersionDatasetFacet(datasetVersion=str(artifact.id)),
        }
        found.append(kind(namespace=namespace, name=name, facets=facets))
    return found
