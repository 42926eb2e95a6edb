from dataclasses import replace

import pytest

from envbuild.core.errors import PlanError
from envbuild.core.keys import chain
from envbuild.core.plan import App, AppFile, make_plan
from tests.unit.core.values import code, conda_package, pip_definition, pip_lock, pip_package, requirement, spec

DEFINITION = pip_definition(requirement("numpy", ">=1"), requirement("pandas"), variables=(("A", "1"),))
LOCK = pip_lock(DEFINITION, pip_package("numpy", "2.0"), pip_package("pandas", "2.2", "numpy"))
APP = App(files=(AppFile(path="/var/app/score.py", sha256="3" * 64),), command=("python",), port=5001)


def keys(plan):
    return {layer.kind: layer.key for layer in plan.layers}


def test_layers_come_in_the_order_of_the_design():
    assert [layer.kind for layer in make_plan(DEFINITION, LOCK, app=APP).layers] == [
        "base",
        "checks",
        "pip",
        "files",
        "config",
    ]


def test_the_image_is_named_by_its_last_key():
    plan = make_plan(DEFINITION, LOCK)
    assert plan.image_name == f"envbuild/envbuild_{plan.layers[-1].key[:32]}"


def test_swapping_two_requirements_changes_the_key_though_the_packages_are_the_same():
    swapped = replace(DEFINITION, pip=DEFINITION.pip[::-1])
    assert keys(make_plan(swapped, LOCK))["pip"] != keys(make_plan(DEFINITION, LOCK))["pip"]


def test_a_range_that_the_same_lock_satisfies_does_not_change_the_key():
    wider = replace(DEFINITION, pip=(requirement("numpy", ">=1,<3"), requirement("pandas")))
    assert make_plan(wider, LOCK).image_key == make_plan(DEFINITION, LOCK).image_key


def test_another_locked_version_changes_its_layer_and_all_above_it_but_none_below():
    moved = replace(LOCK, pip=(pip_package("numpy", "2.1"), LOCK.pip[1]))
    before, after = keys(make_plan(DEFINITION, LOCK, app=APP)), keys(make_plan(DEFINITION, moved, app=APP))
    assert [kind for kind in before if before[kind] != after[kind]] == ["pip", "files", "config"]


def test_a_changed_script_or_variable_changes_no_dependency_layer():
    before = keys(make_plan(DEFINITION, LOCK, app=APP))
    script = replace(APP, files=(replace(APP.files[0], sha256="4" * 64),))
    after = keys(make_plan(DEFINITION, LOCK, app=script))
    assert [kind for kind in before if before[kind] != after[kind]] == ["files", "config"]
    variable = keys(make_plan(replace(DEFINITION, variables=(("A", "2"),)), LOCK, app=APP))
    assert [kind for kind in before if before[kind] != variable[kind]] == ["config"]


def test_name_and_version_of_the_definition_are_not_in_the_dependency_layers():
    before, after = make_plan(DEFINITION, LOCK), make_plan(replace(DEFINITION, name="other"), LOCK)
    assert keys(before)["pip"] == keys(after)["pip"]


def test_the_order_of_channels_is_in_the_key():
    definition = pip_definition(channels=("a", "b"))
    definition = replace(definition, conda=(spec("zlib"),))
    lock = replace(pip_lock(definition), conda=(conda_package("zlib", "1.3"),))
    swapped = replace(definition, channels=("b", "a"))
    assert make_plan(definition, lock).image_key != make_plan(swapped, lock).image_key


def test_a_base_without_digest_is_refused_unless_allowed():
    unpinned = replace(LOCK, base=replace(LOCK.base, digest=""))
    with pytest.raises(PlanError, match="digest of base image"):
        make_plan(DEFINITION, unpinned)
    assert make_plan(DEFINITION, unpinned, allow_unpinned_base=True).layers[0].content["image"] == LOCK.base.reference


def test_keys_are_not_in_the_image_configuration():
    plan = make_plan(DEFINITION, LOCK)
    assert not any(layer.key[:12] in str(plan.config) for layer in plan.layers)


def test_the_chain_is_sensitive_to_order():
    one, two = {"a": 1}, {"b": 2}
    assert chain([one, two])[-1] != chain([two, one])[-1]
    assert chain([one, two])[0] == chain([one])[0]


def test_code_lies_above_its_dependencies_and_a_change_of_it_changes_none_of_their_layers():
    before = keys(make_plan(DEFINITION, LOCK, app=APP, code=(code("mine"),)))
    assert list(before) == ["base", "checks", "pip", "code", "files", "config"]
    after = keys(make_plan(DEFINITION, LOCK, app=APP, code=(code("mine", sha256="e" * 64),)))
    assert [kind for kind in before if before[kind] != after[kind]] == ["code", "files", "config"]
    assert keys(make_plan(DEFINITION, LOCK, app=APP))["pip"] == before["pip"]


def test_code_of_another_platform_is_in_no_layer():
    plan = make_plan(DEFINITION, LOCK, code=(code("mine", marker="sys_platform == 'win32'"),))
    assert plan.layer("code") is None
    assert plan.image_key == make_plan(DEFINITION, LOCK).image_key


def test_the_plan_for_another_platform_has_the_code_too():
    lock = replace(LOCK, platforms=("linux-64", "linux-aarch64"))
    plans = make_plan(DEFINITION, lock, code=(code("mine"),)).for_platforms(("linux-64", "linux-aarch64"))
    assert [[one.package.name for one in plan.selection.code] for plan in plans] == [["mine"], ["mine"]]


def test_code_that_is_locked_too_is_refused_at_its_line():
    with pytest.raises(
        PlanError, match=r"requirements.txt:9: ./numpy is numpy, and so is a package of the lock \(2.0\)"
    ):
        make_plan(DEFINITION, LOCK, code=(code("numpy"),))
