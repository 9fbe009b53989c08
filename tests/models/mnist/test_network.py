import numpy as np
import pytest
import tensorflow as tf

from models.mnist.model.features import IMAGE_SIZE, NUM_CLASSES
from models.mnist.model.network import Tabulated, build_network, one_cycle


def test_network_is_small_enough_for_a_phone_and_gives_probabilities() -> None:
    network = build_network()
    probabilities = network(np.zeros((3, IMAGE_SIZE), np.float32)).numpy()
    assert network.count_params() < 60_000
    assert probabilities.shape == (3, NUM_CLASSES)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)


def test_learning_rate_rises_to_its_peak_and_ends_near_nothing() -> None:
    schedule = one_cycle(peak=0.01, steps=100)
    rates = [float(schedule(step)) for step in range(101)]
    assert int(np.argmax(rates)) == 20
    assert max(rates) == pytest.approx(0.01)
    assert rates[0] == pytest.approx(0.001)
    assert rates[-1] < 1e-4


def test_shortest_run_has_a_schedule() -> None:
    schedule = one_cycle(peak=0.01, steps=1)
    assert 0 < float(schedule(0)) <= 0.01


@pytest.mark.parametrize("steps", [1, 90])
def test_tabulated_rates_are_the_schedules_to_the_last_bit(steps: int) -> None:
    schedule = one_cycle(peak=0.005, steps=steps)
    table = Tabulated(schedule, steps)
    in_graph = tf.function(lambda step: (schedule(step), table(step)), autograph=False)
    for step in range(steps + 1):
        expected, found = in_graph(tf.constant(step, tf.int64))
        assert float(found) == float(expected), step
