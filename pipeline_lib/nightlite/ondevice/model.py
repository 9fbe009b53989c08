"""OnDeviceModel: the declaration of a model to the rest, in data and names only. Both environments read it."""

import math
from collections.abc import Mapping, Sequence
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from nightlite.ondevice.contract.app_contract import AppContract, Input, Meaning
from nightlite.ondevice.contract.file_contract import FileContract, TensorContract
from nightlite.ondevice.task import Task

_PIPELINE, LITE = "_tflite", "_lite"


def model_name(pipeline_name: str) -> str:
    """Return the name of the model whose pipeline has that name."""
    return pipeline_name.removesuffix(_PIPELINE)


def pipeline_name(name: str) -> str:
    """Return the name of the pipeline, its DAG and its compiled file, of the model of that name."""
    return f"{name}{_PIPELINE}"


def releases_asset(name: str) -> str:
    """Return the name of the Asset that a release of the model of that name updates."""
    return f"{name}_releases"


class _Declared(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Feature(_Declared):
    """One input of the file on phones.

    Attributes:
      tensor: its name, dtype and shape; the first dimension is the batch, 1.
      meaning: how an app makes its values.
    """

    tensor: TensorContract
    meaning: Meaning

    @property
    def is_column(self) -> bool:
        """Return whether it has a single value, as a column of a table has in each row."""
        return self.tensor.shape[1:] in ((), (1,))


class Picture(_Declared):
    """Display of an example as a picture: side lengths in pixels, and the values that are drawn black and white.

    The feature with width times height times channels values is the picture, row by row. Any other is shown beside it.

    Attributes:
      channels: 1 for grey, 3 for red, green and blue of each pixel in turn.
    """

    width: int = Field(gt=0)
    height: int = Field(gt=0)
    channels: Literal[1, 3] = 1
    black: float
    white: float

    def fits(self, shape: Sequence[int]) -> bool:
        """Return whether a feature of this shape, without the batch, is the picture."""
        return math.prod(shape) == self.size

    @property
    def size(self) -> int:
        """Return the number of values of the picture."""
        return self.width * self.height * self.channels


class Words(_Declared):
    """Words for an example in reports: one `flower`, several `flowers`."""

    one: str
    many: str


class ModelCard(_Declared):
    """Words and pictures of a model in its reports.

    Attributes:
      title: the model's task, in a few words for a heading.
      task: `Classification(labels=…)` or `Regression(unit=…)`: the meaning of the output.
      words: for an example.
      show: the display of an example; None: as a row of a table.
      intended_use, limits, data_licence: sentences for a reader of the report.
    """

    title: str
    task: Task
    words: Words
    show: Picture | None = None
    intended_use: str
    limits: str
    data_licence: str

    @property
    def labels(self) -> tuple[str, ...]:
        """Return the classes, in the order of the output; () for a regression."""
        return self.task.labels


class OnDeviceModel(ModelCard):
    """A model that is retrained, judged and released.

    Functions are named, never held: `package.module.function` where TFX calls them, `module:function` where we do.

    Attributes:
      name: names the DAG, the nodes, the Assets and the folders. It does not end in `_lite`, as nodes of the file do.
      features: the inputs of the file, one float32 tensor each. A caller finds them by their names.
      output: the output of the file.
      label_key: the feature of an example that holds the label: an index into the labels, or a regression's number.
      training_parameters: `module:class` of a pydantic model of the run parameters that `run_fn` gets. Its module
        imports in both environments.
      preprocessing_fn: Transform's.
      run_fn: the Trainer's.
      lite_run_fn: the second Trainer's, which converts. It gets `quantization` and the `contract` as JSON. The
        default says what it expects of `run_fn`.
      ingest: takes a source and the folder of spans, and writes the next span.
      sources: the sources of `ingest`, with a line on each, the usual one first. A folder is one, too.
      predict: module of a typer app whose command `predict` asks a release about an example; "": the library's own,
        if an example is a row of a table.
      drawing: `package:file.js`, a script whose function `prepare` makes the picture's raw values of a drawn or opened
        picture, for the page of `nightlite try`; "": the picture is scaled to the size of `show`.
      gate_bounds: the model's own defaults of gates, by their names.
      schedule: cron expression or preset of the nightly run, unless a deployment sets another; "": not by time.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9]*(_[a-z0-9]+)*$")
    features: tuple[Feature, ...] = Field(min_length=1)
    output: TensorContract
    label_key: str
    training_parameters: str
    preprocessing_fn: str
    run_fn: str
    lite_run_fn: str = "nightlite.ondevice.in_tfx.conversion.lite_trainer.run_fn"
    ingest: str
    sources: Mapping[str, str] = {}
    predict: str = ""
    drawing: str = Field(default="", pattern=r"^([A-Za-z_][\w.]*:[\w-]+\.js)?$")
    gate_bounds: Mapping[str, float] = {}
    schedule: str = "0 2 * * *"

    @field_validator("name")
    @classmethod
    def _tells_its_two_models_apart(cls, name: str) -> str:
        if name.endswith(LITE):
            raise ValueError(f"expected a name that does not end in {LITE}, as nodes of the file do. Received: {name}")
        return name

    @model_validator(mode="after")
    def _one_feature_is_the_picture(self) -> Self:
        pictures = [item.tensor.name for item in self.features if self.show and self.show.fits(item.tensor.shape[1:])]
        if self.show and len(pictures) != 1:
            raise ValueError(
                f"show: expected one feature of {self.show.size} values. Received: {', '.join(pictures) or 'none'}"
            )
        return self

    @model_validator(mode="after")
    def _a_drawing_is_of_the_picture(self) -> Self:
        if self.drawing and not self.show:
            raise ValueError(f"drawing: expected `show`, whose picture it makes. Received: {self.drawing!r} alone")
        return self

    @model_validator(mode="after")
    def _output_fits_the_task(self) -> Self:
        if not self.task.fits(self.output.shape):
            wanted = f"{len(self.labels)} probabilities" if self.labels else "one number"
            raise ValueError(f"output: expected {wanted} for an example, as the task says. Received: {self.output}")
        return self

    @property
    def pipeline_name(self) -> str:
        """Return the name of the pipeline, its DAG and its compiled file."""
        return pipeline_name(self.name)

    @property
    def lite(self) -> str:
        """Return the part of a node id after its component, for the nodes of the file on phones."""
        return f"{self.name}{LITE}"

    @property
    def trainer(self) -> str:
        """Return the id of the node that trains."""
        return f"Trainer.{self.name}"

    @property
    def pusher(self) -> str:
        """Return the id of the node that makes releases."""
        return f"Pusher.{self.lite}"

    @property
    def data_asset(self) -> str:
        """Return the name of the Asset that a new span updates."""
        return f"{self.name}_data"

    @property
    def releases_asset(self) -> str:
        """Return the name of the Asset that a release updates."""
        return releases_asset(self.name)

    @property
    def is_table(self) -> bool:
        """Return whether an example is a row of a table."""
        return all(feature.is_column for feature in self.features)

    @property
    def usual_source(self) -> str:
        """Return the first of the sources, or `FOLDER` if the model names none."""
        return next(iter(self.sources), "FOLDER")

    @property
    def card(self) -> ModelCard:
        """Return the part that reports read."""
        return ModelCard(**{name: getattr(self, name) for name in ModelCard.model_fields})

    @property
    def contract(self) -> FileContract:
        """Return the inputs and the output of the file."""
        return FileContract(inputs=tuple(feature.tensor for feature in self.features), output=self.output)

    @property
    def app_contract(self) -> AppContract:
        """Return what an app relies on."""
        inputs = (Input(**dict(feature.tensor), meaning=feature.meaning) for feature in self.features)
        return AppContract(inputs=tuple(inputs), output=self.output, labels=self.labels, unit=self.task.unit)
