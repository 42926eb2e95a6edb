"""Calls of run(): how many at a time, and how long."""

from __future__ import annotations

import threading
import time

import pytest

from envbuild.serving import deadline
from envbuild.serving.deadline import DirectCaller, TimedCaller
from envbuild.serving.failures import RequestError


@pytest.mark.parametrize("make", [lambda: DirectCaller(1), lambda: TimedCaller(1, 10_000)])
def test_one_call_at_a_time_by_default(make):
    caller, inside, most = make(), [], []

    def run(data):
        inside.append(data)
        most.append(len(inside))
        time.sleep(0.002)
        inside.remove(data)

    threads = [threading.Thread(target=caller.call, args=(run, {"data": n})) for n in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 10


@pytest.mark.parametrize("make", [lambda: DirectCaller(3), lambda: TimedCaller(3, 10_000)])
def test_as_many_calls_as_threads(make):
    caller, together = make(), threading.Barrier(3)
    threads = [threading.Thread(target=caller.call, args=(together.wait, {"timeout": 5})) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not together.broken


def test_result_and_error_come_back():
    caller = TimedCaller(1, 1000)
    assert caller.call(lambda data: data * 2, {"data": 4}) == 8
    with pytest.raises(ZeroDivisionError):
        caller.call(lambda data: 1 / data, {"data": 0})
    with pytest.raises(SystemExit):
        caller.call(lambda data: exec("raise SystemExit"), {"data": 0})
    assert caller.call(lambda data: data, {"data": 5}) == 5


def test_slow_call_is_answered_in_time_and_the_next_one_works():
    caller, release = TimedCaller(1, 50), threading.Event()
    with pytest.raises(RequestError) as caught:
        caller.call(lambda data: release.wait(5), {"data": 0})
    assert (caught.value.status, caught.value.message) == (500, "Scoring timeout after 50 ms")
    assert caught.value.run_failed
    assert caller.call(lambda data: data, {"data": 1}) == 1
    release.set()


def test_loop_in_python_is_stopped():
    caller, turns = TimedCaller(1, 50), [0]

    def endless(data):
        while True:
            turns[0] += 1

    with pytest.raises(RequestError):
        caller.call(endless, {"data": 0})
    limit = time.monotonic() + 5
    while any(runner.is_alive() for runner in caller._stuck):
        assert time.monotonic() < limit
    seen = turns[0]
    time.sleep(0.01)
    assert turns[0] == seen


def test_waiting_for_a_slot_counts():
    caller, release = TimedCaller(1, 50), threading.Event()
    slow = TimedCaller(1, 5000)
    caller._slots = slow._slots
    thread = threading.Thread(target=slow.call, args=(lambda data: release.wait(5), {"data": 0}))
    thread.start()
    with pytest.raises(RequestError, match="50 ms"):
        caller.call(lambda data: data, {"data": 1})
    release.set()
    thread.join()


def test_stuck_calls_do_not_pile_up(monkeypatch):
    monkeypatch.setattr(deadline, "MAX_STUCK", 2)
    caller, release = TimedCaller(1, 20), threading.Event()
    for _ in range(2):
        with pytest.raises(RequestError, match="timeout"):
            caller.call(lambda data: release.wait(10), {"data": 0})
    with pytest.raises(RequestError) as caught:
        caller.call(lambda data: data, {"data": 0})
    assert (caught.value.status, dict(caught.value.headers)["Retry-After"]) == (503, "5")
    release.set()
    for runner in caller._stuck:
        runner._thread.join(5)
    assert caller.call(lambda data: data, {"data": 1}) == 1


def test_many_timeouts_leave_a_working_caller():
    caller = TimedCaller(2, 10)

    def endless(data):
        while True:
            data += 1

    for n in range(40):
        with pytest.raises(RequestError):
            caller.call(endless, {"data": n})
    limit = time.monotonic() + 10
    while any(runner.is_alive() for runner in caller._stuck):
        assert time.monotonic() < limit
        time.sleep(0.01)
    assert caller.call(lambda data: data, {"data": 1}) == 1


def test_context_reaches_the_thread_that_runs():
    import contextvars

    variable = contextvars.ContextVar("variable", default="")
    variable.set("here")
    assert TimedCaller(1, 1000).call(lambda data: variable.get(), {"data": 0}) == "here"
