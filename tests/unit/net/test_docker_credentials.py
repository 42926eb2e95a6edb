import base64
import json

import pytest

from envbuild.core.errors import DefinitionError, NetworkError
from envbuild.core.reference import ImageReference
from envbuild.net.credentials import Credential, CredentialFinder
from envbuild.net.docker_credentials import RegistryCredentials

ME = Credential(username="me", password="pw")


@pytest.fixture
def home(tmp_path):
    (tmp_path / ".docker").mkdir()
    return tmp_path


def auth(pair="me:pw"):
    return {"auth": base64.b64encode(pair.encode()).decode()}


def docker(home, **config):
    (home / ".docker" / "config.json").write_text(json.dumps(config))


def find(home, text="registry.example:5000/team/base", **environ):
    finder = CredentialFinder(environ=environ, home=home)
    return RegistryCredentials(finder=finder).find(ImageReference.parse(text))


@pytest.mark.parametrize(
    "key",
    [
        "registry.example:5000",
        "https://registry.example:5000",
        "https://registry.example:5000/v2/",
        "registry.example:5000/team",
    ],
)
def test_an_entry_is_found_by_each_form_of_its_name(home, key):
    docker(home, auths={key: auth()})
    assert find(home) == ME
    assert find(home, "other.example/a") is None


def test_docker_hub_has_its_own_name(home):
    docker(home, auths={"https://index.docker.io/v1/": auth()})
    assert find(home, "ubuntu") == ME


def test_the_most_particular_entry_wins(home):
    docker(home, auths={"registry.example:5000": auth("all:x"), "registry.example:5000/team/base": auth()})
    assert find(home) == ME
    assert find(home, "registry.example:5000/b").username == "all"


def test_identity_and_registry_tokens(home):
    docker(home, auths={"registry.example:5000": {**auth("<token>:"), "identitytoken": "i"}})
    assert find(home).identity_token == "i"
    docker(home, auths={"registry.example:5000": {"registrytoken": "r"}})
    assert find(home).token == "r"


def test_a_password_may_hold_colons(home):
    docker(home, auths={"registry.example:5000": auth("me:a:b")})
    assert find(home).password == "a:b"


def test_docker_config_names_a_folder(home):
    docker(home, auths={"registry.example:5000": auth()})
    (home / ".docker").rename(home / "elsewhere")
    assert find(home) is None
    assert find(home, DOCKER_CONFIG=str(home / "elsewhere")) == ME


def test_podmans_files(home):
    for folder in ("run", ".config"):
        path = home / folder / "containers" / "auth.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps({"auths": {"registry.example:5000": auth(f"{folder}:x")}}))
    assert find(home, XDG_RUNTIME_DIR=str(home / "run")).username == "run"
    assert find(home).username == ".config"
    docker(home, auths={"registry.example:5000": auth()})
    assert find(home, XDG_RUNTIME_DIR=str(home / "run")) == ME


def test_registry_auth_file_is_the_only_file_where_it_is_set(home):
    docker(home, auths={"registry.example:5000": auth()})
    other = home / "other.json"
    other.write_text("{}")
    assert find(home, REGISTRY_AUTH_FILE=str(other)) is None


def test_the_environment_comes_first(home):
    docker(home, auths={"registry.example:5000": auth()})
    environ = {"ENVBUILD_AUTH_REGISTRY_EXAMPLE_USERNAME": "ci", "ENVBUILD_AUTH_REGISTRY_EXAMPLE_PASSWORD": "x"}
    assert find(home, **environ).username == "ci"


@pytest.fixture
def helper(home, monkeypatch):
    def make(name, script):
        path = home / "bin" / f"docker-credential-{name}"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\nread server\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setenv("PATH", f"{path.parent}:/usr/bin:/bin")

    return make


ANSWER = """echo '{"ServerURL":"'$server'","Username":"me","Secret":"pw"}'"""


def test_a_helper_for_the_registry_is_asked(home, helper):
    helper("cloud", f'[ "$1" = get ] && [ "$server" = registry.example:5000 ] && {ANSWER}')
    docker(home, credHelpers={"registry.example:5000": "cloud"}, auths={"registry.example:5000": auth("old:x")})
    assert find(home) == ME


def test_the_general_helper_is_asked_by_the_name_in_the_file(home, helper):
    helper("store", f'[ "$server" = https://index.docker.io/v1/ ] && {ANSWER}')
    docker(home, credsStore="store", auths={"https://index.docker.io/v1/": {}})
    assert find(home, "team/app") == ME


def test_a_helper_may_give_an_identity_token(home, helper):
    helper("store", """echo '{"Username":"<token>","Secret":"i"}'""")
    docker(home, credsStore="store")
    assert find(home) == Credential(identity_token="i")


def test_a_helper_that_knows_nothing_leaves_what_is_written(home, helper):
    helper("store", "echo 'credentials not found in native keychain'; exit 1")
    docker(home, credsStore="store", auths={"registry.example:5000": auth()})
    assert find(home) == ME


def test_a_helper_that_is_not_installed_leaves_what_is_written(home, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    docker(home, credsStore="desktop", auths={"registry.example:5000": auth()})
    assert find(home) == ME


def test_a_helper_that_fails_is_named_and_its_output_is_not_shown(home, helper):
    helper("store", "echo s3cret; exit 3")
    docker(home, credsStore="store")
    with pytest.raises(NetworkError, match=r"`docker-credential-store get` .* ended with code 3") as caught:
        find(home)
    assert "s3cret" not in str(caught.value)


def test_a_helper_that_does_not_answer_in_json_is_named(home, helper):
    helper("store", "echo s3cret")
    docker(home, credsStore="store")
    with pytest.raises(NetworkError, match="did not answer in JSON") as caught:
        find(home)
    assert "s3cret" not in str(caught.value)


def test_a_helper_cannot_be_a_path(home):
    docker(home, credHelpers={"registry.example:5000": "../../bin/sh"})
    with pytest.raises(NetworkError, match="cannot be the name of a credential helper"):
        find(home)


def test_a_broken_entry_is_an_error_without_its_content(home):
    docker(home, auths={"registry.example:5000": {"auth": "s3cret!"}})
    with pytest.raises(NetworkError, match="not base64") as caught:
        find(home)
    assert "s3cret" not in str(caught.value)


def test_a_broken_file_is_named(home):
    (home / ".docker" / "config.json").write_text("{")
    with pytest.raises(DefinitionError, match=r"config\.json is not JSON"):
        find(home)


def test_no_file_is_no_credential(tmp_path):
    assert find(tmp_path) is None
