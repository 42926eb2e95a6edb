"""The loop of the solver's process."""

from __future__ import annotations

import sys
import threading

import pytest

from envbuild.solve.conda_loop import AsyncioLoop, Loop, loop_for


async def _value(value):
    return value


async def _failing():
    raise ValueError("no")


@pytest.mark.parametrize("make", [Loop, AsyncioLoop])
def test_every_coroutine_gives_its_result(make):
    assert sorted(make().as_completed([_value(one) for one in (3, 1, 2)])) == [1, 2, 3]


@pytest.mark.parametrize("make", [Loop, AsyncioLoop])
def test_an_error_of_a_coroutine_is_raised(make):
    with pytest.raises(ValueError, match="no"):
        list(make().as_completed([_failing()]))


def test_a_future_is_fulfilled_from_another_thread_and_the_first_to_end_comes_first():
    loop = Loop()
    late = loop.create_future()

    async def waiting():
        return await late

    async def soon():
        threading.Timer(0.01, loop.call_soon_threadsafe, (late.set_result, "late")).start()
        return "soon"

    assert list(loop.as_completed([waiting(), soon()])) == ["soon", "late"]


def test_an_error_in_a_future_reaches_the_coroutine_that_awaits_it():
    loop = Loop()
    future = loop.create_future()

    async def waiting():
        try:
            await future
        except KeyError:
            return "caught"

    loop.call_soon_threadsafe(future.set_exception, KeyError("x"))
    assert list(loop.as_completed([waiting()])) == ["caught"]


def test_an_engine_that_is_not_known_gets_the_real_asyncio(tmp_path):
    (tmp_path / "py_rattler-9.0.dist-info").mkdir()
    import asyncio

    assert isinstance(loop_for(str(tmp_path)), AsyncioLoop)
    assert sys.modules["asyncio"] is asyncio


def test_an_engine_that_is_known_finds_the_loop_where_it_looks_for_it(tmp_path, monkeypatch):
    import asyncio

    monkeypatch.setitem(sys.modules, "asyncio", asyncio)
    (tmp_path / "py_rattler-0.28.0.dist-info").mkdir()
    loop = loop_for(str(tmp_path))
    assert sys.modules["asyncio"].get_running_loop() is loop
