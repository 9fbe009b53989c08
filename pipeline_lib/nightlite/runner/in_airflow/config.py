"""Configuration of a DAG by its deployment, beyond the compiled pipeline."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, Asset, BaseOperator, BaseOperatorLink, Context
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from nightlite.errors import SettingsError
from nightlite.runner.compiled_pipeline import CompiledPipeline, Node
from nightlite.runner.in_airflow.component_docs import ComponentDoc
from nightlite.runner.in_airflow.pages.links import artifacts_link
from nightlite.runner.node_result import NodeResult
from nightlite.runner.settings import settings

# Values that a pattern leaves out come from an earlier pattern, or from Airflow.
_TASK_ARGUMENTS = (
    *("pool", "pool_slots", "priority_weight", "queue", "retries", "retry_delay", "execution_timeout", "outlets"),
)


class _Config(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(str(part) for part in first["loc"])
            raise SettingsError(
                f"{type(self).__name__}, {name}: {first['msg']}. Received: {first['input']!r}"
            ) from None


class NodeSettings(_Config):
    """Airflow's settings of a node. None means those of the DAG's `default_args` or of Airflow's configuration.

    Attributes:
      pool: Airflow pool, which must exist; `pool_slots`: the number of its slots that the node takes.
      priority_weight: order among queued tasks; higher first.
      queue: for executors with queues (Celery).
      retries: new tries after a failure; each is a new execution in MLMD.
      retry_delay: between tries.
      execution_timeout: the node is ended and fails after it.
      outlets: Airflow Assets that the node updates when it succeeds, but not when it is skipped. Their events carry
        node and execution, and the result of the config's `asset_extra`.
      env: environment variables of the node's process, on top of the task's own.
    """

    pool: str | None = None
    pool_slots: int | None = Field(default=None, ge=1)
    priority_weight: int | None = None
    queue: str | None = None
    retries: int | None = Field(default=None, ge=0)
    retry_delay: timedelta | None = None
    execution_timeout: timedelta | None = Field(default=None, gt=timedelta())
    outlets: tuple[Asset, ...] | None = None
    env: Mapping[str, str] = {}

    @classmethod
    def of(cls, node: Node) -> "NodeSettings":
        """Return what the pipeline itself says of a node, in NodeExecutionOptions."""
        timeout = timedelta(seconds=node.timeout_seconds) if node.timeout_seconds else None
        return cls(retries=node.retries, execution_timeout=timeout)

    def over(self, other: "NodeSettings") -> "NodeSettings":
        """Return these settings over the other's, with the environments merged."""
        given = self.model_dump(exclude_none=True) | {"env": {**other.env, **self.env}}
        return NodeSettings(**{**other.model_dump(), **given})

    def task_arguments(self) -> dict[str, Any]:
        """Return the settings that are set, as BaseOperator's arguments."""
        return self.model_dump(include=set(_TASK_ARGUMENTS), exclude_none=True)


class AirflowPipelineConfig(_Config):
    """Configuration that makes a compiled pipeline a DAG.

    Attributes:
      airflow_dag_config: arguments of `airflow.sdk.DAG`. `dag_id` defaults to the pipeline's name. The pipeline's own
        parameters are added to `params`.
      node_settings: by node id pattern (`fnmatch`: `*`, `?`, `[…]`). Later matches override earlier ones, and all
        of them the pipeline's own NodeExecutionOptions.
      parameter_defaults: by run parameter, over the compiled pipeline's defaults.
      tasks_before: by node id pattern, a factory of a task between a node and all its upstream nodes. It is called with
        the node's id as `before`, and with `dag` and `task_group` as any operator. If the task is skipped, so is the
        node, unless the task's class says `skip_passes = True`.
      context_parameters: by parameter that Airflow sets (`Parameter.given_by`), a function of a task's context.
      links: makes the buttons of a node's task in the UI, from the node and the pipeline. Default: its artifacts.
      finish: called in turn with the DAG when all nodes are in it, to add tasks that close a run.
      on_result: called in turn, in the task, with each node's result and the DAG's id.
      asset_extra: returns additions to node and execution in the event of a node's outlets.
      components: texts over TFX's own, by pattern of the component's class name or of the node's id.
      declaration: digest of the declaration that the pipeline must have been compiled from; "": of any.
      hidden_env: prefixes of environment variables that no node's process gets.
      tfx_python: the interpreter of the TFX environment. Default: the setting NIGHTLITE_TFX_PYTHON.
      project_dir: the nodes' working directory, from which they can also import. Default: NIGHTLITE_PROJECT_DIR.
      grace_seconds: between SIGTERM and SIGKILL when a task is killed or timed out.
    """

    airflow_dag_config: dict[str, Any] = {}
    node_settings: dict[str, NodeSettings] = {}
    parameter_defaults: dict[str, Any] = {}
    tasks_before: dict[str, Callable[..., BaseOperator]] = {}
    context_parameters: dict[str, Callable[[Context], int | float | str]] = {}
    links: Callable[[Node, CompiledPipeline], tuple[BaseOperatorLink, ...]] = artifacts_link
    finish: tuple[Callable[[DAG], object], ...] = ()
    on_result: tuple[Callable[[NodeResult, str], None], ...] = ()
    asset_extra: Callable[[NodeResult], dict[str, Any]] | None = None
    components: dict[str, ComponentDoc] = {}
    declaration: str = ""
    hidden_env: tuple[str, ...] = ()
    tfx_python: Path = Field(default_factory=lambda: settings().tfx_python)
    project_dir: Path = Field(default_factory=lambda: settings().project_dir)
    grace_seconds: float = Field(default=10, ge=0)

    def settings_of(self, node_id: str) -> NodeSettings:
        """Return the settings of all patterns that match the node id, merged in their order."""
        merged = NodeSettings()
        for pattern, given in self.node_settings.items():
            if fnmatchcase(node_id, pattern):
                merged = given.over(merged)
        return merged

    def task_before(self, node_id: str) -> Callable[..., BaseOperator] | None:
        """Return the factory of the task before this node, the last pattern's if several match."""
        return next(
            (make for pattern, make in reversed(self.tasks_before.items()) if fnmatchcase(node_id, pattern)), None
        )

    def refuse_idle_patterns(self, node_ids: Sequence[str]) -> None:
        """Refuse a pattern without a node, which is a misspelling.

        Raises:
          SettingsError: it names the pattern and the existing nodes.
        """
        for name in ("node_settings", "tasks_before"):
            for pattern in getattr(self, name):
                if not any(fnmatchcase(node_id, pattern) for node_id in node_ids):
                    raise SettingsError(
                        f"{name}: expected a pattern that matches one of {', '.join(node_ids)}. Received: {pattern!r}"
                    )
