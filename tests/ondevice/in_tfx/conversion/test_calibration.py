"""Examples that int8 is calibrated on: few, of every span, and always the same."""

from pathlib import Path

import pytest
import tensorflow as tf

from nightlite.ondevice.contract.file_contract import FileContract, TensorContract
from nightlite.ondevice.in_tfx.conversion import lite_trainer
from nightlite.ondevice.in_tfx.raw_examples import read_inputs

CONTRACT = FileContract(
    inputs=(TensorContract(name="number", dtype="float32", shape=(1, 1)),),
    output=TensorContract(name="y", dtype="float32", shape=(1, 1)),
)


def shards(folder: Path, count: int) -> list[str]:
    """Write shards of 300 numbers each, the first from 0 on, the next from 1,000 on."""
    files = [str(folder / f"data-{shard:05d}.gz") for shard in range(count)]
    for shard, file in enumerate(files):
        with tf.io.TFRecordWriter(file, "GZIP") as writer:
            for number in range(300):
                example = tf.train.Example()
                example.features.feature["number"].float_list.value.append(1000 * shard + number)
                writer.write(example.SerializeToString())
    return files


@pytest.mark.parametrize(
    ("count", "share", "used"), [(1, 256, [0]), (3, 86, [0, 1, 2]), (20, 26, [0, 2, 4, 6, 8, 10, 12, 14, 16, 18])]
)
def test_it_is_the_first_examples_of_shards_all_over_the_split(
    tmp_path: Path, count: int, share: int, used: list[int]
) -> None:
    files = shards(tmp_path, count)
    found = lite_trainer._representative(files[::-1], CONTRACT)["number"].reshape(-1)
    expected = [1000 * shard + number for shard in used for number in range(share)]
    assert found.tolist() == expected[:256]


def test_the_rest_of_a_shard_is_not_read(tmp_path: Path) -> None:
    [file] = shards(tmp_path, 1)
    Path(file).write_bytes(Path(file).read_bytes()[:-20])
    with pytest.raises(tf.errors.OpError):
        read_inputs([file], CONTRACT)
    assert len(lite_trainer._representative([file], CONTRACT)["number"]) == 256
