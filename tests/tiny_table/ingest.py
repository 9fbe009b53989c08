"""Ingest of scikit-learn's irises: 105 to train on, 45 to evaluate on."""

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from nightlite.ondevice.spans import MANIFEST, Manifest, Span, SplitManifest, numbers
from tests.tiny_table.features import FEATURES, LABEL_KEY, LABELS


def ingest(source: str, data_dir: Path) -> Span:
    """Write `source` as the next span of `data_dir`, as `nightlite ingest` does."""
    import tensorflow as tf
    from sklearn.datasets import load_iris
    from sklearn.model_selection import train_test_split

    iris = load_iris()
    train, evaluation, *labels = train_test_split(
        iris.data.astype(np.float32), iris.target, test_size=0.3, stratify=iris.target, random_state=1
    )
    train[::7, FEATURES.index("sepal_width")] = np.nan  # not measured
    number = max(numbers(data_dir), default=0) + 1
    folder = data_dir / f"span-{number}"
    folder.mkdir(parents=True)
    splits = {}
    for name, rows, classes in (("train", train, labels[0]), ("eval", evaluation, labels[1])):
        file = folder / f"{name}-00000-of-00001.tfrecord.gz"
        with tf.io.TFRecordWriter(str(file), "GZIP") as writer:
            for row, label in zip(rows, classes, strict=True):
                example = tf.train.Example()
                for feature, value in zip(FEATURES, row.tolist(), strict=True):
                    example.features.feature[feature].float_list.value.append(value)
                example.features.feature[LABEL_KEY].int64_list.value.append(int(label))
                writer.write(example.SerializeToString())
        counts = tuple(int(count) for count in np.bincount(classes, minlength=len(LABELS)))
        digest = hashlib.sha256(rows.tobytes() + classes.tobytes()).hexdigest()
        shards = {file.name: file.stat().st_size}
        splits[name] = SplitManifest(examples=len(rows), per_class=counts, content_sha256=digest, shards=shards)
    manifest = Manifest(source=source, created=datetime.now(UTC), splits=splits)
    (folder / MANIFEST).write_text(manifest.model_dump_json(), encoding="utf-8")
    return Span(number, folder, manifest, created=True)
