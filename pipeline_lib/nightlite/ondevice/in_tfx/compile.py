"""Compile a model's pipeline, with its run parameters and hooks."""

from nightlite.ondevice import run_parameters as described_parameters
from nightlite.ondevice.hooks import HOOKS
from nightlite.ondevice.in_tfx.pipeline import create_pipeline
from nightlite.ondevice.model import OnDeviceModel
from nightlite.ondevice.settings import Settings
from nightlite.ondevice.try_it.declared import for_pages
from nightlite.runner.compiled_pipeline import MAKE_COMPILE, CompiledPipeline
from nightlite.runner.in_tfx.compile import compile_pipeline
from nightlite.runner.in_tfx.run_parameters import runtime_parameter


def compile_model(model: OnDeviceModel, config: Settings) -> CompiledPipeline:
    """Return the model's compiled pipeline, with every run parameter open."""
    described = (*described_parameters.parameters(model), *described_parameters.context_parameters())
    folders, schema_file = config.folders(model.name), config.schema_file(model)
    pipeline = create_pipeline(
        model,
        pipeline_root=str(folders.artifacts),
        data_dir=str(folders.data),
        push_dir=str(folders.releases),
        schema_file=schema_file if schema_file.exists() else None,
        run_values={
            parameter.name: runtime_parameter(parameter) for parameter in described if parameter.read_by == "nodes"
        },
    )
    compiled = compile_pipeline(pipeline, described, HOOKS)
    declaration = described_parameters.declaration(model)
    return compiled.model_copy(
        update={"declaration": declaration, "pages": for_pages(model), "compiled_by": MAKE_COMPILE}
    )
