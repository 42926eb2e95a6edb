"""Credentials in committed texts: found with their line, never shown."""

import pytest

from envbuild.hooks.leaks import leaks, leaks_in

WORD = "hunter2hunter2"
SECRETS = {
    "user and password": f"--index-url https://reader:{WORD}@index.example/simple",
    "bare token": "  - https://abcdefghij0123456789@conda.example/channel",
    "conda token": "  - https://conda.example/t/ab-0123-cdef/channel",
    "signature": "https://store.example/f.whl?sv=1&sig=abc%2Fdef012345",
    "aws": "  KEY: AKIA" + "ABCDEFGHIJKLMNOP",
    "github": "git+https://github.example/x # ghp_" + "a1" * 18,
    "index token": "TOKEN_FILE # pypi-AgE" + "x" * 50,
    "storage": "AccountKey=" + "Ab1/" * 10 + "==",
    "signed": "Bearer eyJhbGciOiJI" + "U.eyJzdWIiOiIx" + "MjM0.abcdefghijkl",
    "private key": "-----BEGIN RSA PRIVATE KEY-----",
    "variable": f"  MY_PASSWORD: {WORD}",
    "toml": f'api-key = "{WORD}"',
    "dockerfile": f"ENV CLIENT_SECRET={WORD}",
}
HARMLESS = {
    "reference": "--index-url https://${USER}:${PASSWORD}@index.example/simple",
    "reference in an environment": "  TOKEN: ${TOKEN}",
    "ssh": "git+ssh://git@host.example/x.git@v1.2.3",
    "requirement": "azure-token==1.2.3.4.5",
    "package": "  - secretstorage=3.3.3.3",
    "conda pin": "name: keyring-token: 1.2.3.45.6",
    "placeholder": "password: <your password>",
    "url with version": "https://index.example/files/a@1.0/b-1.0.whl",
    "hash": "sha256: " + "ab" * 32,
    "entry point": 'secret = "package.module:SECRET_NAME"',
    "requirement with a direct url": "pkg @ https://files.example/pkg.whl",
}


@pytest.mark.parametrize("name", sorted(SECRETS))
def test_a_credential_is_found_on_its_line_and_not_shown(name):
    [problem] = leaks(f"first\n{SECRETS[name]}\nlast\n", "environment.yml")
    assert (problem.file, problem.line) == ("environment.yml", 2)
    for part in (WORD, "abcdefghij", "ab-0123", "abc%2F", "AKIA", "ghp_", "AgE", "Ab1", "eyJ"):
        assert part not in str(problem)


@pytest.mark.parametrize("name", sorted(HARMLESS))
def test_what_only_looks_like_one_is_left_alone(name):
    assert list(leaks(f"{HARMLESS[name]}\n", "environment.yml")) == []


def test_a_long_lock_is_read_quickly_and_its_line_is_right():
    text = "- name: tokenizers\n  url: https://conda.example/channel/linux-64/tokenizers-1.0.conda\n" * 40_000
    [problem] = leaks(text + f"password: {WORD}", "conda-lock.yml")
    assert problem.line == 80_001


def test_letters_that_grow_in_lower_case_do_not_move_lines():
    [problem] = leaks("İİİİİİİİ\n" * 50 + f"password: {WORD}\nx", "a.yml")
    assert problem.line == 51


def test_a_file_that_cannot_be_read_is_a_problem(tmp_path):
    [problem] = leaks_in(tmp_path / "missing.yml")
    assert "cannot be read" in problem.message
