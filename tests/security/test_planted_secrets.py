"""What is secret on a machine is in nothing that a run leaves or prints: every file and output is searched byte by byte."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from tests.security.planted import FORMS, SECRETS, Machine, forms
from tests.support.ca import Authority
from tests.support.channel import Channel
from tests.support.conda_archive import make_conda
from tests.support.index import Index

# nobody listens on port 9, so the digest stays unresolved; the name tells the release, which has Python 3.11
BASE = "127.0.0.1:9/library/debian:12"
ENVIRONMENT = {"AWS_SECRET_ACCESS_KEY": SECRETS["environment"], "MY_API_TOKEN": SECRETS["environment"]}
LOGIN = {
    "ENVBUILD_AUTH_127_0_0_1_USERNAME": "reader",
    "ENVBUILD_AUTH_127_0_0_1_PASSWORD": SECRETS["index variable"],
}
USER = {"READER": "reader", "INDEX_PASSWORD": SECRETS["index variable"], **ENVIRONMENT}


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    made = Machine(root=tmp_path / "machine")
    auth = {"auths": {"127.0.0.1:9": {"username": "u", "password": SECRETS["registry"]}}}
    made.plant("home/.docker/config.json", json.dumps(auth))
    made.plant("home/.netrc", f"machine netrc.example login reader password {SECRETS['netrc']}\n")
    made.plant(
        "home/.rattler/credentials.json",
        json.dumps(
            {"c.example": {"CondaToken": SECRETS["conda token"]}, "b.example": {"BearerToken": SECRETS["bearer"]}}
        ),
    )
    return made


def pip_project(machine: Machine, index_url: str) -> str:
    text = f'[tool.envbuild]\nbase = "{BASE}"\npython = "3.11"\nallow-distribution = ["debian"]\npip = ["beta"]\nindex-url = "{index_url}"\n'
    machine.write("project/pyproject.toml", text)
    return "project/pyproject.toml"


def walk_the_road(machine: Machine, path: str, **environment: str) -> None:
    """Run every command that leaves or prints something of a definition."""
    for words in (
        ("lock", "--json", path),
        ("lock", path),
        ("lock", "--update-all", path),
        ("lock", "--check", "--json", path),
        ("show", "--json", path),
        ("tree", path),
        ("image", "--plan", "--json", path),
        ("image", "--generate-dockerfile", "context", "--allow-unpinned-base", path),
        *(("export", "--format", one, path) for one in ("requirements", "cyclonedx", "pylock")),
        ("outdated", path),
        ("doctor",),
    ):
        machine.envbuild(*words, **environment)


def named_by_variables(url: str) -> str:
    scheme, rest = url.split("://")
    return f"{scheme}://${{READER}}:${{INDEX_PASSWORD}}@{rest}"


def test_the_search_finds_what_is_there(machine: Machine) -> None:
    for name, secret in SECRETS.items():
        machine.write(f"left/{name}", f"x={secret}")
    assert len(machine.hits()) == len(SECRETS)
    machine.outputs.append(("basic", b"Authorization: Basic cmVhZGVyOnMzY3JldC1wYXNz"))
    assert any("basic" in one for one in machine.hits())
    assert all(len(form) > 8 for found in FORMS.values() for form in found)
    assert b"pl4nted" in forms("pl4nted-x")[0]


def test_an_index_named_by_variables_leaves_nothing(machine: Machine, private_index: Index) -> None:
    private_index.add("alpha", "1.0", files={"alpha.py": ""})
    private_index.add("beta", "1.0", requires=["alpha"], files={"beta.py": ""})
    path = pip_project(machine, named_by_variables(private_index.url))
    walk_the_road(machine, path, **USER)
    assert (machine.root / "project/pylock.toml").is_file()
    assert (machine.root / "context/Dockerfile").is_file()
    install = (
        "import sys; from pathlib import Path; from envbuild import api; from envbuild.lockfile import load_lock\n"
    )
    install += "api.install(load_lock(Path('project/pylock.toml')), prefix=Path('prefix'))"
    assert machine.python("-c", install, **USER, **LOGIN).code == 0
    assert list(machine.root.glob("prefix/lib/*/site-packages/beta.py"))
    assert machine.hits() == []


def test_nor_does_the_login_of_the_definition_when_its_files_are_installed(
    machine: Machine, private_index: Index
) -> None:
    private_index.add("beta", "1.0", files={"beta.py": ""})
    pip_project(machine, named_by_variables(private_index.url))
    code = """
import pickle
from pathlib import Path
from envbuild import api
from envbuild.core.errors import EnvbuildError
path = Path("project/pyproject.toml")
locked, definition = api.lock(path), api.read_definition(path)
api.install(locked.lock, definition=definition, prefix=Path("prefix"))
try:
    api.install(locked.lock, prefix=Path("other"))
except EnvbuildError as error:
    refused = error
Path("left.pickle").write_bytes(pickle.dumps([locked, definition, api.plan(path, allow_unpinned_base=True), refused]))
"""
    done = machine.python("-c", code, **USER, UV_HTTP_RETRIES="0", UV_NO_CACHE="1")
    assert done.code == 0, done.stderr
    assert list(machine.root.glob("prefix/lib/*/site-packages/beta.py"))
    assert (machine.root / "left.pickle").stat().st_size > 1000
    assert machine.hits() == []


def test_signing_leaves_neither_key_nor_password(machine: Machine, index: Index) -> None:
    pytest.importorskip("securesystemslib")
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

    index.add("beta", "1.0", files={"beta.py": ""})
    key = Ed25519PrivateKey.generate()
    secret = BestAvailableEncryption(SECRETS["key password"].encode())
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, secret).decode()
    machine.plant("key.pem", text)
    machine.write("bad.pem", text.replace("A", "B", 3))
    path = pip_project(machine, index.url)
    password = {"ENVBUILD_SIGNING_KEY_PASSWORD": SECRETS["key password"]}
    assert machine.envbuild("lock", path).code == 0
    assert machine.envbuild("attest", path, "--key", "key.pem", "-o", "a.jsonl", **password).code == 0
    machine.envbuild("attest", path, "--key", "bad.pem", **password)
    machine.envbuild("attest", path, **password, ENVBUILD_SIGNING_KEY="key.pem")
    assert machine.hits() == []
    lines = [line for line in text.splitlines() if "-" not in line and len(line) > 20]
    outputs = b"".join(content for _, content in machine.outputs) + (machine.root / "a.jsonl").read_bytes()
    assert not any(line.encode() in outputs for line in lines)


def test_nor_do_its_failures(machine: Machine, private_index: Index) -> None:
    private_index.add("beta", "1.0", files={"beta.py": ""})
    path = pip_project(machine, named_by_variables(private_index.url))
    private_index.broken["/simple/beta/"] = 500
    assert machine.envbuild("lock", path, **USER, UV_HTTP_RETRIES="0").code != 0
    private_index.broken.clear()
    wrong = {**USER, "INDEX_PASSWORD": SECRETS["index URL"]}
    assert machine.envbuild("lock", "--json", path, **wrong).code in (5, 8)
    assert machine.envbuild("lock", path, **USER).code == 0
    (release,) = private_index.releases
    private_index.broken[f"/files/{release.file_name}"] = 500
    install = "from pathlib import Path; from envbuild import api; from envbuild.lockfile import load_lock\n"
    install += "api.install(load_lock(Path('project/pylock.toml')), prefix=Path('prefix'))"
    # one name less, so that nothing comes from a cache
    assert (
        machine.python(
            "-c", install, **USER, **LOGIN, UV_CACHE_DIR=str(machine.root / "other"), UV_HTTP_RETRIES="0"
        ).code
        != 0
    )
    assert machine.hits() == []


def test_netrc_leaves_nothing(machine: Machine) -> None:
    with Index(user="reader", password=SECRETS["netrc"]) as index:
        index.add("beta", "1.0", files={"beta.py": ""})
        machine.plant("home/.netrc", f"machine 127.0.0.1 login reader password {SECRETS['netrc']}\n")
        path = pip_project(machine, index.url)
        walk_the_road(machine, path, **ENVIRONMENT)
        assert (machine.root / "project/pylock.toml").is_file()
    assert machine.hits() == []


def test_a_private_channel_leaves_nothing(machine: Machine) -> None:
    with Channel(user="reader", password=SECRETS["netrc"]) as channel:
        channel.add(make_conda("small", "1.0", files={"share/small": "x"}))
        login = {"127.0.0.1": {"BasicHTTP": {"username": "reader", "password": SECRETS["netrc"]}}}
        machine.plant("home/.rattler/credentials.json", json.dumps(login))
        text = f"channels: [{channel.url}]\nplatforms: [linux-64]\ndependencies: [small]\n"
        machine.write("project/environment.yml", text)
        walk_the_road(machine, "project/environment.yml", **ENVIRONMENT)
        assert (machine.root / "project/conda-lock.yml").is_file()
    assert machine.hits() == []


SOURCES = {
    "requirements.txt": "--index-url https://reader:{}@index.example/simple\nsix\n",
    "requirements-token.txt": "--extra-index-url https://{}@index.example/simple\nsix\n",
    "requirements-query.txt": "--find-links https://index.example/x?token={}\nsix\n",
    "requirements-include.txt": "-r https://reader:{}@index.example/r.txt\nsix\n",
    "requirements-url.txt": "six @ https://reader:{}@index.example/six-1.0.tar.gz\n",
    "requirements-broken.txt": "six == = https://reader:{}@index.example/simple\n",
    "requirements-git.txt": "git+https://reader:{}@git.example/six\n",
    "requirements-option.txt": "--index-url https://reader:{}@index.example/simple six seven\n",
    "requirements-unknown.txt": "--frobnicate=https://reader:{}@index.example/simple\n",
    "environment.yml": "channels: ['https://reader:{}@conda.example/channel']\ndependencies: [python]\n",
    "token/environment.yml": "channels: ['https://conda.example/t/{}/channel']\ndependencies: [python]\n",
    "spec/environment.yml": "dependencies: ['https://reader:{}@conda.example/channel::numpy']\n",
    "v2/env.yml": "name: a\nbuild: {{path: 'https://reader:{}@git.example/x.git'}}\n",
    "v2/image.yml": "name: a\nimage: reader:{}@registry.example/base:1\n",
    "v2/url.yml": "name: a\nimage: https://reader:{}@registry.example/base:1\n",
    "pyproject.toml": '[tool.envbuild]\npip = ["six"]\nindex-url = "https://reader:{}@index.example/simple"\n',
    "deps/pyproject.toml": '[project]\nname = "p"\nversion = "1"\ndependencies = ["six @ https://reader:{}@h.example/s.whl"]\n',
    "uv/pyproject.toml": '[project]\nname = "p"\nversion = "1"\n[[tool.uv.index]]\nurl = "https://reader:{}@h.example/s"\n',
    "pipfile/Pipfile": '[[source]]\nurl = "https://reader:{}@h.example/s"\n[packages]\nsix = "*"\n',
}


@pytest.mark.parametrize("name", SOURCES)
def test_a_definition_with_a_credential_is_refused_without_showing_it(machine: Machine, name: str) -> None:
    path = machine.plant(f"project/{name}", SOURCES[name].format(SECRETS["index URL"]))
    codes = [machine.envbuild(*words, str(path)).code for words in (("show", "--json"), ("lock",))]
    assert codes[0] == 3 or name.startswith("v2")
    assert 70 not in codes
    assert machine.hits() == []


def test_the_registry_credentials_of_an_azure_environment_are_left_out(machine: Machine, index: Index) -> None:
    index.add("beta", "1.0", files={"beta.py": ""})
    document = {
        "name": "a",
        "docker": {
            "baseImage": BASE.partition("/")[2],
            "baseImageRegistry": {
                "address": "127.0.0.1:9",
                "username": SECRETS["v1 registry"],
                "password": SECRETS["v1 registry"],
            },
        },
        "python": {"condaDependencies": {"dependencies": [{"pip": [f"--index-url {index.url}", "beta"]}]}},
    }
    machine.plant("project/azureml_environment.json", json.dumps(document))
    machine.write("pip/requirements.txt", f"--index-url {index.url}\nbeta\n")
    walk_the_road(machine, "project")
    machine.envbuild("environment", "register", "--definition", "project")
    assert machine.hits() == []


def test_a_certificate_bundle_with_its_key_stays_where_it_is(
    machine: Machine, index: Index, authority: Authority
) -> None:
    index.add("beta", "1.0", files={"beta.py": ""})
    path = pip_project(machine, index.url)
    key = f"# a key that somebody put beside it\n# {SECRETS['CA key']}\n"
    bundle = str(machine.plant("home/ca.pem", authority.certificate.read_text() + key))
    walk_the_road(machine, path, **ENVIRONMENT)
    words = ("image", "--generate-dockerfile", "with-ca", "--allow-unpinned-base", path)
    assert machine.envbuild(*words, SSL_CERT_FILE=bundle).code == 0
    assert machine.hits() == []


def test_a_model_in_the_workspace_says_nothing_of_the_machine(machine: Machine) -> None:
    machine.write("model.txt", "weights")
    words = ("model", "register", "-n", "m", "-p", "model.txt", "--json", "-w", str(machine.root))
    assert machine.envbuild(*words, **ENVIRONMENT).code == 0
    assert machine.hits() == []


def test_compressed_files_of_the_caches_are_searched_too(machine: Machine) -> None:
    machine.write("cache/a", "x")
    (machine.root / "cache/b.gz").write_bytes(gzip.compress(SECRETS["netrc"].encode()))
    assert machine.hits()
