from dataclasses import replace

from envbuild.core.definition import Origin
from envbuild.core.explain import explain, layer_record
from envbuild.core.lock import LockedApt
from envbuild.core.plan import App, AppFile, make_plan
from tests.unit.core.values import code, pip_definition, pip_lock, pip_package, requirement

DEFINITION = pip_definition(requirement("numpy", line=4), requirement("pandas", line=5), variables=(("A", "1"),))
LOCK = pip_lock(DEFINITION, pip_package("numpy", "2.0"), pip_package("pandas", "2.2", "numpy"))
APP = App(files=(AppFile(path="/var/app/score.py", sha256="3" * 64),), command=("python",), port=5001)


def changes(definition=DEFINITION, lock=LOCK, app=APP):
    before = [layer_record(layer) for layer in make_plan(DEFINITION, LOCK, app=APP).layers]
    return {one.kind: one for one in explain(make_plan(definition, lock, app=app), before)}


def test_nothing_changed():
    assert all(one.same for one in changes().values())


def test_a_moved_package_names_its_versions_and_the_line_that_asked_for_it():
    found = changes(lock=replace(LOCK, pip=(pip_package("numpy", "2.1"), LOCK.pip[1])))
    assert found["checks"].same
    [reason] = found["pip"].reasons
    assert reason.startswith("numpy: 2.0 (numpy-2.0-py3-none-any.whl) → 2.1 ")
    assert reason.endswith("(requirements.txt:4)")
    assert not found["files"].same
    assert not found["files"].reasons


def test_another_order_is_named():
    found = changes(definition=replace(DEFINITION, pip=DEFINITION.pip[::-1]))
    assert found["pip"].reasons == ("requested: another order: pandas, numpy instead of numpy, pandas",)


def test_a_changed_file_and_variable_are_named():
    found = changes(app=replace(APP, files=(replace(APP.files[0], sha256="4" * 64),)))
    assert found["pip"].same
    assert found["files"].reasons == ("files: /var/app/score.py changed",)
    assert changes(definition=replace(DEFINITION, variables=(("A", "2"),)))["config"].reasons == (
        "variables: A changed",
    )


def test_layers_that_come_and_go_are_named():
    found = changes(app=None)
    assert found["files"].reasons == ("is no longer there",)


def test_an_apt_package_names_its_line():
    definition = replace(DEFINITION, apt=("curl=8",), apt_origins=(Origin(file="pyproject.toml", line=6),))
    before = [
        layer_record(one) for one in make_plan(DEFINITION, replace(LOCK, apt=LockedApt(packages=("git",)))).layers
    ]
    lock = replace(LOCK, apt=LockedApt(packages=("git", "curl=8")))
    found = {one.kind: one.reasons for one in explain(make_plan(definition, lock), before)}
    assert found["apt"] == ("curl: not there → curl=8 (pyproject.toml:6)",)


def test_changed_code_is_named():
    before = [layer_record(layer) for layer in make_plan(DEFINITION, LOCK, code=(code("mine"),)).layers]
    found = explain(make_plan(DEFINITION, LOCK, code=(code("mine", sha256="e" * 64),)), before)
    assert [(one.kind, one.reasons) for one in found if not one.same] == [
        ("code", ("code: mine changed",)),
        ("config", ()),
    ]
