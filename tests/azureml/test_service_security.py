"""Who may ask a service and how: keys, tokens, TLS, and what is never shown."""

import base64
import json
import ssl
import time
import urllib.error
import urllib.request
from datetime import datetime, timedelta, timezone

import pytest

from envbuild.azureml.core import Environment, Model, Webservice
from envbuild.azureml.core.model import InferenceConfig
from envbuild.azureml.core.webservice import AciWebservice, AksWebservice, LocalWebservice
from envbuild.azureml.records import Record
from envbuild.azureml.services.asking import AnsweredError, ask
from envbuild.azureml.services.deploying import keep
from envbuild.azureml.services.deployment_configs import AksServiceDeploymentConfiguration
from envbuild.core.errors import DefinitionError, ServiceError
from envbuild.serving.auth import token_is_valid
from tests.support.ca import Authority


def authority(folder):
    folder.mkdir()
    return Authority(folder)


@pytest.fixture
def certificate(tmp_path):
    """Files of a certificate for models.example, and of its key."""
    return authority(tmp_path / "ca").issue("DNS:models.example")


@pytest.fixture
def served(ws, project):
    """Deploy a script that answers with its headers: `served(config)`."""
    (project / "score.py").write_text(
        "import json\n\ndef init(): pass\n\ndef run(data):\n    print('scored')\n    return json.loads(data)\n"
    )
    own = Environment("own")
    own.python.user_managed_dependencies = True
    inference = InferenceConfig(entry_script="score.py", environment=own)

    def deploy(name="closed", **settings):
        service = Model.deploy(ws, name, [], inference, LocalWebservice.deploy_configuration(**settings))
        service.wait_for_deployment()
        return service

    yield deploy
    for service in Webservice.list(ws):
        service.delete()


def everything(service):
    """What a service shows of itself, and all that its folder holds outside the place of its secrets."""
    files = [one for one in service.record.folder.rglob("*") if one.is_file() and "secrets" not in one.parts]
    shown = [json.dumps(service.serialize()), repr(service), service.get_logs(), json.dumps(service.record.values)]
    return "\n".join([*shown, *(one.read_text(errors="replace") for one in files)])


def bearer(word):
    return {"Authorization": f"Bearer {word}"}


def test_keys_are_needed_changed_without_a_restart_and_never_shown(served, capsys):
    service = served(auth_enabled=True, primary_key="my-own-primary-key")
    first, second = service.get_keys()
    assert first == "my-own-primary-key"
    assert service.auth_enabled
    assert service.run('"x"') == "x"
    for word in ("", "Bearer wrong"):
        with pytest.raises(AnsweredError) as refused:
            ask(service.port, "/score", b"1", {"Authorization": word})
        assert refused.value.status == 401
    pid = service.record.values["service_pid"]
    service.regen_key("Primary")
    service.regen_key("secondary", set_key="chosen-key")
    new, chosen = service.get_keys()
    assert chosen == "chosen-key"
    assert new not in (first, second)
    end = time.monotonic() + 5
    while True:  # the server looks at the file once a second
        try:
            ask(service.port, "/score", b"1", bearer(first))
        except AnsweredError:
            break
        assert time.monotonic() < end
        time.sleep(0.1)
    for key in (new, chosen):
        assert ask(service.port, "/score", b"1", bearer(key)) == b"1"
    assert service.record.values["service_pid"] == pid
    text = everything(service) + capsys.readouterr().out
    assert not [key for key in (first, second, new, chosen) if key in text]
    folder = service.secrets.folder
    assert folder.parent.stat().st_mode & 0o777 == 0o700
    with pytest.raises(ServiceError, match="Primary or Secondary"):
        service.regen_key("Third")
    service.delete()
    assert not folder.exists()


def test_keys_survive_a_reload_and_go_with_the_setting(served):
    service = served(auth_enabled=True)
    keys = service.get_keys()
    service.update(description="the same keys", tags={"a": "b"})
    assert service.state == "running"
    service.reload(wait=True)
    assert service.get_keys() == keys
    service.update(auth_enabled=False, wait=True)
    assert not service.auth_enabled
    assert ask(service.port, "/score", b"1") == b"1"
    with pytest.raises(ServiceError, match="needs no key"):
        service.get_keys()
    assert (service.description, service.tags) == ("the same keys", {"a": "b"})


def test_tls_from_given_files(served, certificate):
    cert, key = certificate
    service = served(
        ssl_enabled=True, ssl_cert_pem_file=str(cert), ssl_key_pem_file=str(key), ssl_cname="models.example"
    )
    assert service.scoring_uri == f"https://models.example:{service.port}/score"
    assert service.swagger_uri.startswith("https://models.example")
    assert service.state == "running"
    assert service.run('"x"') == "x"
    with pytest.raises(OSError, match="not this service"):
        ask(service.port, "/")
    strict = ssl.create_default_context()
    with pytest.raises(urllib.error.URLError, match="certificate"):
        urllib.request.urlopen(f"https://127.0.0.1:{service.port}/", context=strict, timeout=5)
    assert service.serialize()["sslEnabled"] is True
    assert key.read_text().splitlines()[1] not in everything(service)
    key.unlink()  # what was given is kept: a reload needs the files no more
    cert.unlink()
    service.reload(wait=True)
    assert service.run('"x"') == "x"


def test_a_certificate_that_cannot_be_used_is_told_before_anything_starts(tmp_path, certificate):
    cert, key = map(str, certificate)
    other = authority(tmp_path / "other").issue("DNS:models.example")[1]
    for settings, said in (
        ({"ssl_enabled": True}, "ssl_cert_pem_file"),
        ({"ssl_cert_pem_file": cert}, "ssl_key_pem_file"),
        ({"ssl_cert_pem_file": cert, "ssl_key_pem_file": "nowhere.pem"}, "nowhere.pem is not there"),
        ({"ssl_cert_pem_file": cert, "ssl_key_pem_file": str(other)}, "do not make a certificate and its key"),
        ({"ssl_cert_pem_file": key, "ssl_key_pem_file": cert}, "do not make a certificate and its key"),
        ({"ssl_cert_pem_file": cert, "ssl_key_pem_file": key, "ssl_cname": "a b"}, "is not a host's name"),
    ):
        with pytest.raises(DefinitionError, match=said):
            AciWebservice.deploy_configuration(**settings)


def test_keys_and_tokens_exclude_each_other_and_tokens_are_for_kubernetes():
    assert AksWebservice.deploy_configuration().uses_keys
    tokens = AksWebservice.deploy_configuration(token_auth_enabled=True)
    assert (tokens.uses_keys, tokens.uses_tokens) == (False, True)
    with pytest.raises(DefinitionError, match="keys or tokens, not both"):
        AksWebservice.deploy_configuration(auth_enabled=True, token_auth_enabled=True)
    with pytest.raises(TypeError, match="token_auth_enabled"):
        AciWebservice.deploy_configuration(token_auth_enabled=True)
    with pytest.raises(TypeError, match="token_auth_enabled"):
        LocalWebservice.deploy_configuration(token_auth_enabled=True)


def test_tokens_end_and_the_server_takes_them_for_this_service_alone(ws):
    record = Record(ws.core, "service", "tokens")
    record.folder.mkdir(parents=True)
    config = AksServiceDeploymentConfiguration(token_auth_enabled=True)
    keep(record, config)
    record.change(status="Healthy", compute_type="AKS", token_auth_enabled=True)
    service = AksWebservice(ws, "tokens")
    token, refresh = service.get_token()
    access = service.get_access_token()
    claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    assert claims["aud"] == "tokens"
    now = datetime.now(timezone.utc)
    assert now < refresh < access.expiry_on < now + timedelta(days=1)
    assert access.token_type == "Bearer"
    files = service.secrets.files()
    secret = [files["token-secret"].encode()]
    assert token_is_valid(token.encode(), secret, "tokens", time.time())
    assert not token_is_valid(token.encode(), secret, "another", time.time())
    assert not token_is_valid(token.encode(), secret, "tokens", claims["exp"] + 1)
    assert files["token-secret"] not in json.dumps(service.serialize())
    service.secrets.change_token_secret()
    assert not token_is_valid(token.encode(), [service.secrets.files()["token-secret"].encode()], "tokens", time.time())
    with pytest.raises(ServiceError, match="needs no key"):
        service.get_keys()


def test_what_is_too_large_for_this_machine_is_unschedulable(ws, served):
    served("small")
    config = AciWebservice.deploy_configuration(cpu_cores=10_000, memory_gb=1)
    inference = InferenceConfig(entry_script="score.py", environment=Environment.get(ws, "own"))
    service = Model.deploy(ws, "large", [], inference, config)
    with pytest.raises(ServiceError, match="cpu_cores: 10000 cores are asked for"):
        service.wait_for_deployment()
    assert service.state == "Unschedulable"


def test_services_are_found_by_kind_model_and_tag(ws, served):
    served("one", tags={"area": "digits"})
    served("two")
    assert [one.name for one in Webservice.list(ws)] == ["one", "two"]
    assert [one.name for one in Webservice.list(ws, tags=["area"])] == ["one"]
    assert Webservice.list(ws, tags=[["area", "letters"]]) == []
    assert Webservice.list(ws, compute_type="aci") == []
    assert Webservice.list(ws, model_name="none") == []
    service = Webservice.of(ws, "one")
    service.add_properties({"p": "1"})
    service.add_properties({"p": "2", "q": "3"})
    assert service.properties == {"p": "1", "q": "3"}
    service.remove_tags(["area"])
    assert service.tags == {}
    with pytest.raises(DefinitionError, match="has no setting nonsense"):
        service.update(nonsense=1)
    with pytest.raises(DefinitionError, match="port"):
        service.update(port=0)
    assert service.run('"still"') == "still"


def test_the_port_that_is_taken_is_told(served):
    first = served("one")
    with pytest.raises(ServiceError, match=f"port {first.port} of 127.0.0.1 is taken"):
        served("two", port=first.port)


def test_requests_are_recorded_in_a_closed_folder(served):
    service = served(enable_app_insights=True, auth_enabled=True)
    assert service.run('"asked"') == "asked"
    folder = service.record.folder / "data"
    assert folder.stat().st_mode & 0o777 == 0o700
    (line,) = (folder / "files" / "requests.jsonl").read_text().splitlines()
    assert json.loads(line)["serviceName"] == service.name
    assert json.loads(line)["response"] == '"asked"'
    assert service.get_keys()[0] not in line
