"""A fork of a process that has imported TensorFlow, before and after it has run an op."""

import subprocess
import sys

import pytest

SCRIPT = """
import os, sys, time
import tensorflow as tf

if sys.argv[1] == "after an op":
    tf.constant(1)
if not (child := os.fork()):
    tf.function(lambda matrix: tf.linalg.matmul(matrix, matrix))(tf.random.uniform((256, 256)))
    os._exit(0)
until = time.monotonic() + 30
while not (ended := os.waitpid(child, os.WNOHANG)[0]) and time.monotonic() < until:
    time.sleep(0.1)
if not ended:
    os.kill(child, 9)
print("ended" if ended else "hangs")
"""


@pytest.mark.parametrize(("forked", "child"), [("before any op", "ended"), ("after an op", "hangs")])
def test_tensorflow_still_hangs_in_a_child_that_was_forked_after_an_op(forked: str, child: str) -> None:
    command = [sys.executable, "-c", SCRIPT, forked]
    assert subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout.strip() == child
