"""What limits are tried, and the advice that follows."""

import pytest

from envbuild.azureml.profiling.sweep import Measurement, good_enough, percentile, recommend, sweep


def service(needs_cpu, needs_memory, *, latency=0.1):
    """A service that slows down below `needs_cpu` and does not start below `needs_memory`."""
    asked = []

    def measure(cpu, memory):
        asked.append((cpu, memory))
        if memory < needs_memory:
            return Measurement(cpu=cpu, memory=memory, error="out of memory")
        taken = latency * max(1.0, needs_cpu / cpu)
        return Measurement(
            cpu=cpu, memory=memory, latencies=(taken,) * 10, queries=10, seconds=1.0, max_memory=needs_memory
        )

    return measure, asked


@pytest.mark.parametrize(
    ("needs", "advice"), [((1.0, 0.06), (1.0, 0.1)), ((0.02, 3.0), (0.1, 4.0)), ((3.0, 0.3), (3.5, 0.5))]
)
def test_the_advice_is_the_smallest_pair_that_is_as_good(needs, advice):
    measure, asked = service(*needs)
    found = sweep(measure, 3.5, 8.0)
    one = recommend(found)
    assert (one.cpu, one.memory) == advice
    assert len(set(asked)) <= 8
    assert len(asked) <= len(set(asked)) + 1
    assert asked[0] == (3.5, 8.0)


def test_memory_that_is_used_but_not_needed_is_not_advised():
    def measure(cpu, memory):
        return Measurement(cpu=cpu, memory=memory, latencies=(0.1,), queries=1, seconds=1.0, max_memory=0.6)

    assert recommend(sweep(measure, 0.1, 2.0)).memory == 0.5


def test_a_limit_that_counts_more_than_what_is_used_is_raised():
    def measure(cpu, memory):
        works = memory >= 2.0
        return Measurement(
            cpu=cpu, memory=memory, latencies=(0.1,) if works else (), queries=1, seconds=1.0, max_memory=0.3
        )

    found = sweep(measure, 0.1, 8.0)
    assert [one.memory for one in found] == [8.0, 0.5, 1.0, 2.0]
    assert recommend(found).memory == 2.0


def test_one_request_that_failed_is_enough_against_a_pair():
    bad = Measurement(cpu=0.1, memory=0.1, latencies=(0.1,) * 9, queries=10)
    good = Measurement(cpu=1.0, memory=1.0, latencies=(0.1,) * 10, queries=10)
    assert recommend([good, bad]) is good
    assert recommend([bad]) is None
    assert sweep(lambda _cpu, _memory: bad, 1.0, 1.0) == [bad]


def test_a_tenth_more_is_as_good_and_so_is_a_millisecond():
    def of(latency):
        return Measurement(cpu=1.0, memory=1.0, latencies=(latency,), queries=1)

    assert good_enough(of(0.109), [of(0.1), of(0.109)])
    assert not good_enough(of(0.112), [of(0.1), of(0.112)])
    assert good_enough(of(0.0015), [of(0.001), of(0.0015)])


def test_percentiles_are_values_that_were_measured():
    values = [float(one) for one in range(1, 101)]
    assert [percentile(values, one) for one in (50, 95, 99.9)] == [50.0, 95.0, 100.0]
    assert percentile([3.0], 50) == 3.0
    assert percentile([], 95) == 0.0


def test_a_slow_measurement_is_taken_again():
    took = iter([0.1, 0.5, 0.1, 0.3, 0.1])

    def measure(cpu, memory):
        return Measurement(cpu=cpu, memory=memory, latencies=(next(took),), queries=1, seconds=1.0)

    found = sweep(measure, 0.5, 0.1)
    assert [(one.cpu, one.p95) for one in found] == [(0.5, 0.1), (0.25, 0.1), (0.1, 0.1)]
