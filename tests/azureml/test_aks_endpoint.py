"""`AksEndpoint` as the documents show it: versions behind one address, split by percent, on this machine."""

import json
import urllib.request
from collections import Counter

import pytest

from envbuild.azureml.core import Environment, Model, Webservice
from envbuild.azureml.core.model import InferenceConfig
from envbuild.azureml.core.webservice import AksEndpoint
from envbuild.azureml.services.aks_endpoint import _changed, _shares
from envbuild.core.errors import DefinitionError, ServiceError, WorkspaceError


def script(project, version):
    (project / f"score_{version}.py").write_text(f"def init(): pass\n\ndef run(data):\n    return {version!r}\n")
    own = Environment("own")
    own.python.user_managed_dependencies = True
    return InferenceConfig(entry_script=f"score_{version}.py", environment=own)


@pytest.fixture
def deployed(ws):
    yield
    for service in Webservice.list(ws):
        service.delete()


def asked(endpoint, count=100):
    """Ask so many times, and count who answered."""
    answered = Counter()
    for _ in range(count):
        request = urllib.request.Request(
            endpoint.scoring_uri, b"{}", {"Authorization": f"Bearer {endpoint.get_keys()[0]}"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            assert json.load(answer) == answer.headers["azureml-model-deployment"]
            answered[answer.headers["azureml-model-deployment"]] += 1
    return answered


@pytest.mark.usefixtures("deployed")
def test_versions_are_added_changed_and_deleted_behind_one_address(ws, project):
    config = AksEndpoint.deploy_configuration(
        cpu_cores=0.1, memory_gb=0.2, tags={"sckitlearn": "demo"}, version_name="versiona", traffic_percentile=20
    )
    endpoint = Model.deploy(ws, "mynewendpoint", [], script(project, "versiona"), config)
    endpoint.wait_for_deployment(True)
    assert (endpoint.state, endpoint.auth_enabled) == ("Healthy", True)
    address = endpoint.scoring_uri
    assert asked(endpoint, 20) == {"versiona": 20}

    endpoint.create_version(
        "versionb", inference_config=script(project, "versionb"), tags={"modelVersion": "b"}, traffic_percentile=10
    )
    endpoint.wait_for_deployment(True)
    # 20 and 10 were given; what nobody was given goes to the first, which is the default
    assert endpoint.traffic == {"versiona": 90, "versionb": 10}
    assert asked(endpoint) == {"versiona": 90, "versionb": 10}

    endpoint.update_version(
        endpoint.versions["versionb"].name.partition("--")[2],
        traffic_percentile=40,
        is_default=True,
        is_control_version_type=True,
    )
    assert endpoint.traffic == {"versiona": 20, "versionb": 80}
    assert asked(endpoint) == {"versiona": 20, "versionb": 80}
    found = endpoint.serialize()["versions"]["versionb"]
    assert (found["isDefault"], found["type"], found["trafficPercentile"]) == (True, "control", 40)
    assert endpoint.scoring_uri == address
    assert [one.name for one in Webservice.list(ws)] == ["mynewendpoint"]

    endpoint.update_version("versiona", inference_config=script(project, "new"))
    endpoint.wait_for_deployment()
    assert endpoint.versions["versiona"].state == "Healthy"
    with pytest.raises(ServiceError, match="is the default one"):
        endpoint.delete_version("versionb")
    endpoint.delete_version("versiona")
    assert asked(endpoint, 10) == {"versionb": 10}
    with pytest.raises(WorkspaceError, match="has no version versiona"):
        endpoint.update_version("versiona", traffic_percentile=1)
    with pytest.raises(ServiceError, match="has a version versionb"):
        endpoint.create_version("versionb", inference_config=script(project, "x"))
    keys = endpoint.get_keys()
    assert not [key for key in keys if key in json.dumps(endpoint.serialize()) + endpoint.get_logs()]
    endpoint.delete()
    assert endpoint.state == "Deleted"


@pytest.mark.usefixtures("deployed")
def test_a_version_that_fails_gets_nothing_and_is_told(ws, project):
    config = AksEndpoint.deploy_configuration(version_name="good")
    endpoint = Model.deploy(ws, "partly", [], script(project, "good"), config)
    endpoint.wait_for_deployment()
    broken = script(project, "bad")
    (project / "score_bad.py").write_text("def init():\n    raise ValueError('no such model')\n\ndef run(data): pass\n")
    endpoint.create_version("bad", inference_config=broken, traffic_percentile=50)
    with pytest.raises(ServiceError, match=r"(?s)line 2.*no such model"):
        endpoint.wait_for_deployment()
    assert endpoint.state == "Healthy"
    assert endpoint.versions["bad"].state == "Failed"
    assert "no such model" in endpoint.error
    assert asked(endpoint, 20) == {"good": 20}


ONE = {"service": "s", "traffic_percentile": 60, "is_default": True, "type": "treatment"}


def test_percents_and_names_that_are_wrong_are_refused():
    other = {**ONE, "is_default": False, "traffic_percentile": 41}
    with pytest.raises(DefinitionError, match="a 60 \\+ b 41 is 101"):
        _changed({"a": ONE}, "b", other)
    with pytest.raises(DefinitionError, match="traffic_percentile"):
        _changed({}, "a", {**ONE, "traffic_percentile": -1})
    with pytest.raises(DefinitionError, match="cannot name a version"):
        _changed({}, "a b", ONE)
    with pytest.raises(DefinitionError, match="has a default version"):
        _changed({"a": ONE}, "a", {**ONE, "is_default": False})
    with pytest.raises(DefinitionError, match="not a percent"):
        AksEndpoint.deploy_configuration(traffic_percentile=101)
    changed = _changed({"a": {**ONE, "type": "control"}}, "b", {**other, "traffic_percentile": 40, "type": "control"})
    assert [one["type"] for one in changed.values()] == ["treatment", "control"]


@pytest.mark.parametrize(
    ("traffic", "up", "shares"),
    [
        ({"a": 90, "b": 10}, ["a", "b"], [90, 10]),
        ({"a": 50, "b": 25, "c": 25}, ["a", "b"], [66.67, 33.33]),
        ({"a": 100, "b": 0}, ["b"], [0]),
        ({"a": 1, "b": 1, "c": 1, "d": 97}, ["a", "b", "c"], [33.34, 33.33, 33.33]),
    ],
)
def test_those_that_answer_share_what_the_others_would_get(traffic, up, shares):
    assert _shares(traffic, up) == shares
