"""The code that an artifact was made by, carried from node to node."""

from tfx.types import standard_artifacts

from nightlite.runner.in_tfx.made_by import MADE_BY, mark


def made_by(inputs: list[standard_artifacts.Model], **exec_properties: str) -> standard_artifacts.Model:
    model = standard_artifacts.Model()
    mark([model], inputs, exec_properties)
    return model


def test_it_is_of_the_node_and_of_all_before_it_and_only_new_code_changes_it() -> None:
    before = made_by([], code_sha256="a" * 64, file_sha256="f" * 64, epochs="3")
    model = made_by([before], code_sha256="b" * 64)
    assert model.get_string_custom_property(MADE_BY) == " ".join(letter * 16 for letter in "abf")
    mended = made_by([before], code_sha256="c" * 64)
    assert mended.get_string_custom_property(MADE_BY) != model.get_string_custom_property(MADE_BY)
    # As where training starts from the last model.
    warm_started = made_by([before, model], code_sha256="b" * 64)
    assert warm_started.get_string_custom_property(MADE_BY) == model.get_string_custom_property(MADE_BY)


def test_where_no_code_is_known_nothing_is_written() -> None:
    assert made_by([standard_artifacts.Model()]).get_string_custom_property(MADE_BY) == ""
