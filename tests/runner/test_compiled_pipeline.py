import pytest

from nightlite.errors import CompiledPipelineError
from nightlite.runner.compiled_pipeline import HOW_TO_COMPILE, CompiledPipeline, Node, Parameter, sealed


def pipeline(*nodes: Node, **more) -> CompiledPipeline:
    return CompiledPipeline(tfx_version="1.21.0", name="p", nodes=nodes, ir={"any": ["thing"]}, **more)


def test_it_is_read_as_it_was_written(tmp_path):
    written = pipeline(
        Node(id="A", type="x.Importer", system=True),
        Node(id="B.c", type="x.Trainer", upstream=("A",)),
        parameters=(
            Parameter(name="epochs", type="int", default=3, json_schema={"minimum": 1}),
            Parameter(name="rate", type="float", default=3.0),
            Parameter(name="note", type="str", default="{{ \u2603 }}\n"),
            Parameter(name="span", type="int"),
        ),
    )
    written.write(tmp_path / "new" / "p.json")
    read = CompiledPipeline.read(tmp_path / "new" / "p.json")
    assert read == written
    assert [type(parameter.default) for parameter in read.parameters] == [int, float, str, type(None)]
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["p.json"]


def test_a_file_that_holds_the_same_already_is_left_alone(tmp_path):
    path = tmp_path / "p.json"
    assert pipeline(Node(id="A", type="x.Importer")).write(path) is True
    before = path.stat()
    assert pipeline(Node(id="A", type="x.Importer")).write(path) is False
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert pipeline(Node(id="B", type="x.Importer")).write(path) is True
    assert CompiledPipeline.read(path).nodes[0].id == "B"
    path.write_bytes(b"damaged")
    assert pipeline(Node(id="B", type="x.Importer")).write(path) is True


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"null",
        b'{"schema_version": 1}',
        sealed('{"schema_version": 2}').encode(),
        sealed('{"schema_version": 1}').encode(),
        sealed('{"schema_version": 1}').encode() + b" ",
        sealed("{[").encode(),
    ],
)
def test_unusable_files_are_refused_in_one_sentence(tmp_path, content):
    path = tmp_path / "p.json"
    path.write_bytes(content)
    with pytest.raises(CompiledPipelineError) as raised:
        CompiledPipeline.read(path)
    message = str(raised.value)
    assert str(path) in message and message.endswith(HOW_TO_COMPILE) and "\n" not in message


@pytest.mark.parametrize("missing", ["nothing.json", "."])
def test_no_file(tmp_path, missing):
    with pytest.raises(CompiledPipelineError, match="no compiled pipeline at .*: run 'make compile'"):
        CompiledPipeline.read(tmp_path / missing)


def test_a_failed_write_leaves_what_was_there(tmp_path, monkeypatch):
    path = tmp_path / "p.json"
    pipeline(Node(id="A", type="x")).write(path)
    before = path.read_bytes()

    def full_disk(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full_disk)
    with pytest.raises(OSError, match="No space"):
        pipeline(Node(id="B", type="x")).write(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_any_changed_byte_is_found_wherever_it_is(tmp_path):
    path = tmp_path / "p.json"
    pipeline(Node(id="A", type="x")).write(path)
    content = path.read_bytes()
    for at in range(len(content)):
        path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        with pytest.raises(CompiledPipelineError, match="(not match its digest|no digest).*: run .make compile"):
            CompiledPipeline.read(path)


def test_a_file_that_says_how_it_was_compiled_is_refused_with_that_command(tmp_path):
    path, command = tmp_path / "p.json", "nightlite compile shop.pipeline:create --arg 'name=a \"b\"' --output p.json"
    written = pipeline(Node(id="A", type="x")).model_copy(update={"compiled_by": command})
    assert written.how_to_compile == f"run '{command}'"
    written.write(path)
    content = path.read_text()
    for damaged in (content.replace('"name": "', '"name": "un'), content.partition("\n")[2]):
        path.write_text(damaged)
        with pytest.raises(CompiledPipelineError) as raised:
            CompiledPipeline.read(path)
        assert str(raised.value).endswith(f": run '{command}'")
