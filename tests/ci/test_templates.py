"""The CI templates: their scripts are run, with what the service would set, in a real git repository."""

import json
import os
import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs

import pytest
import yaml

from envbuild import programs
from tests.support.locked_project import make_lock, pip_package, project

CI = Path(__file__).parents[2] / "ci"
ACTION = yaml.safe_load((CI / "github/action.yml").read_text())
UPDATE = yaml.safe_load((CI / "github/update.yml").read_text())
GITLAB = yaml.safe_load((CI / "gitlab/envbuild.gitlab-ci.yml").read_text())
pytestmark = pytest.mark.skipif(programs.find("git") is None, reason="git is not there")


def github_steps():
    yield from ACTION["runs"]["steps"]
    yield from UPDATE["jobs"]["update"]["steps"]


def scripts():
    for step in github_steps():
        if "run" in step:
            yield f"github: {step['name']}", step["run"]
    for name, job in GITLAB.items():
        if name != "variables":
            for key in ("before_script", "script"):
                yield from ((f"gitlab: {name}", line) for line in job.get(key, ()))


@pytest.mark.parametrize(("name", "script"), list(scripts()))
def test_every_script_is_one_that_shellcheck_passes(name, script, tmp_path):
    # GitLab has no lists: definitions are split on blanks
    left_out = "SC2086,SC2154" if "ENVBUILD_DEFINITIONS" in script else "SC2154"
    file = tmp_path / "script"
    file.write_text(script)
    shellcheck = Path(sys.executable).with_name("shellcheck")
    argv = [str(shellcheck), "--shell", "bash", "--severity", "info", "--exclude", f"{left_out},SC2153", str(file)]
    done = programs.run(argv, check=False)
    assert (done.code, done.stdout) == (0, "")


@pytest.mark.parametrize(
    ("schema", "file", "more"),
    [
        ("vendor.github-actions", "github/action.yml", []),
        ("vendor.github-workflows", "github/update.yml", []),
        ("vendor.gitlab-ci", "gitlab/envbuild.gitlab-ci.yml", ["--data-transform", "gitlab-ci"]),
    ],
)
def test_every_template_is_one_by_the_services_own_schema(schema, file, more, tmp_path):
    argv = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *more]
    assert programs.run([*argv, str(CI / file)], check=False).code == 0
    wrong = tmp_path / Path(file).name
    wrong.write_text(
        (CI / file).read_text().replace("runs-on:", "run-on:").replace("using:", "use:").replace("rules:", "rulez:")
    )
    assert programs.run([*argv, str(wrong)], check=False).code == 1


def test_every_action_is_named_by_its_commit():
    for file in (CI / "github").iterdir():
        for line in file.read_text().splitlines():
            if "uses:" in line:
                assert re.fullmatch(r".*uses: [\w.-]+/[\w.-]+@[0-9a-f]{40} # v[\d.]+", line), line


def test_no_value_of_a_workflow_is_pasted_into_a_script():
    for step in github_steps():
        assert "${{" not in step.get("run", "")


def test_every_option_that_a_template_uses_is_one_of_ours():
    from envbuild.cli.main import parser
    from envbuild.completion import levels

    known = {one.path: {name for option in one.options for name in option.names} for one in levels(parser())}
    found = set()
    for _, script in scripts():
        for command, rest in re.findall(r"(?:^|; )\s*(?:- )?envbuild (\w+)(.*)$", script, re.MULTILINE):
            options = set(re.findall(r"(?<=\s)--[a-z-]+", rest))
            assert options <= known[command,], (command, options - known[command,])
            found.add(command)
    assert found == {"lock", "diff", "image"}


@pytest.fixture
def repository(tmp_path):
    folder = tmp_path / "repo"
    definition = project(folder)
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "one")
    make_lock(definition, [pip_package("alpha", "1.1", size=3000)])
    return folder


def git(folder, *arguments):
    argv = ["git", "-c", "user.name=t", "-c", "user.email=t@example.com", *arguments]
    return programs.run(argv, cwd=folder).stdout.strip()


@pytest.fixture
def runner(tmp_path):
    """A function that runs a script as a service does, with `envbuild` on PATH."""
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    program = bin_folder / "envbuild"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m envbuild "$@"\n')
    program.chmod(0o755)
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    env |= {"PATH": f"{bin_folder}:{env['PATH']}", "RUNNER_TEMP": str(tmp_path), "CI_BUILDS_DIR": str(tmp_path)}
    env |= {"GITHUB_OUTPUT": str(tmp_path / "output"), "GITHUB_STEP_SUMMARY": str(tmp_path / "summary")}
    env["PYTHONPATH"] = str(CI.parent)

    def run(script, cwd, **variables):
        return programs.run(["bash", "-eo", "pipefail", "-c", script], cwd=cwd, env={**env, **variables}, check=False)

    return run


def step(name):
    return next(one["run"] for one in github_steps() if one.get("name") == name)


def test_the_action_checks_and_annotates(repository, runner):
    wanted = {"DEFINITIONS": "pyproject.toml", "ENVIRONMENT": ""}
    assert runner(step("lock check"), repository, **wanted).code == 0
    definition = repository / "pyproject.toml"
    definition.write_text(definition.read_text().replace('"alpha"', '"alpha>=2"'))
    done = runner(step("lock check"), repository, **wanted)
    assert done.code == 1
    assert done.stdout.startswith("::error file=pyproject.toml,line=5")


def test_the_action_says_what_moved(repository, runner, tmp_path):
    (repository / "more").mkdir()
    (repository / "more/pylock.toml").write_bytes((repository / "pylock.toml").read_bytes())
    done = runner(step("what moved"), repository, BASE=git(repository, "rev-parse", "HEAD"))
    assert done.code == 0, done.stderr
    comment = (tmp_path / "envbuild-comment.md").read_text()
    assert comment.startswith("<!-- envbuild -->\n")
    assert "### more/pylock.toml\n\nnew, " in comment
    assert "### pylock.toml" in comment
    assert "1.0 → 1.1" in comment
    assert f"comment={tmp_path / 'envbuild-comment.md'}" in (tmp_path / "output").read_text()


def test_the_scheduled_update_says_what_moved(repository, runner, tmp_path):
    done = runner(step("say what moved"), repository)
    assert done.code == 0, done.stderr
    assert "1.0 → 1.1" in (tmp_path / "body.md").read_text()


GH = """#!/bin/sh
echo "$*" >> {log}
case "$*" in *--paginate*) printf '{ids}' ;; "pr list"*) printf '{number}' ;; esac
"""


@pytest.fixture
def gh(tmp_path, runner):
    """A function that puts a `gh` on PATH which answers with these, and one that tells what it was asked."""
    log = tmp_path / "gh.log"

    def answer(*, ids="", number=""):
        program = tmp_path / "bin/gh"
        program.write_text(GH.format(log=log, ids=ids, number=number))
        program.chmod(0o755)
        log.write_text("")
        return lambda: log.read_text().splitlines()

    return answer


def test_the_action_keeps_one_comment(repository, runner, gh, tmp_path):
    comment = tmp_path / "c.md"
    wanted = {"COMMENT": str(comment), "ISSUES": "repos/me/x/issues", "NUMBER": "7"}
    for ids, text, expected in (
        ("", "<!-- envbuild -->\n### pylock.toml\n", f"api --silent --method POST repos/me/x/issues/7/comments --field body=@{comment}"),
        ("", "<!-- envbuild -->\nNo lock changed.\n", ""),
        ("11\\n12\\n", "<!-- envbuild -->\nNo lock changed.\n", f"api --silent --method PATCH repos/me/x/issues/comments/11 --field body=@{comment}"),
    ):  # fmt: skip
        asked = gh(ids=ids)
        comment.write_text(text)
        done = runner(step("comment"), repository, **wanted)
        assert done.code == 0, done.stderr
        assert asked()[1:] == ([expected] if expected else [])


@pytest.mark.parametrize(("number", "verb"), [("", "pr create --base main"), ("5", "pr edit envbuild/update")])
def test_the_scheduled_update_opens_or_renews_one_change(repository, runner, gh, number, verb):
    tmp_path = repository.parent
    asked = gh(number=number)
    (tmp_path / "body.md").write_text("x")
    git(tmp_path, "init", "-q", "--bare", "origin.git")
    git(repository, "remote", "add", "origin", str(tmp_path / "origin.git"))
    (repository / "stray").write_text("not a lock\n")
    done = runner(step("open the change"), repository, BRANCH="envbuild/update", BASE="main")
    assert done.code == 0, done.stderr
    assert asked()[-1].startswith(verb)
    changed = git(tmp_path / "origin.git", "show", "--name-only", "--format=%s", "envbuild/update").split()
    assert changed == ["Lock", "afresh", "pylock.toml"]
    # nothing is left that could move
    asked = gh()
    done = runner(step("open the change"), repository, BRANCH="envbuild/update", BASE="main")
    assert (done.stdout, asked()) == ("nothing moved\n", [])


def test_gitlab_gets_a_report_of_code_quality(repository, runner):
    [script] = GITLAB["envbuild-lock-check"]["script"]
    definition = repository / "pyproject.toml"
    definition.write_text(definition.read_text().replace('"alpha"', '"alpha>=2"'))
    assert runner(script, repository, ENVBUILD_DEFINITIONS="pyproject.toml").code == 1
    [found] = json.loads((repository / "gl-code-quality-report.json").read_text())
    assert found["location"] == {"path": "pyproject.toml", "lines": {"begin": 5}}


def test_gitlab_diffs_a_merge_request(repository, runner, tmp_path):
    [script] = GITLAB["envbuild-diff"]["script"]
    git(repository, "remote", "add", "origin", str(repository))
    git(repository, "config", "uploadpack.allowAnySHA1InWant", "true")
    base = git(repository, "rev-parse", "HEAD")
    done = runner(script, repository, CI_MERGE_REQUEST_DIFF_BASE_SHA=base)
    assert done.code == 0, done.stderr
    assert "1.0 → 1.1" in (repository / "envbuild-diff.md").read_text()


class Notes(BaseHTTPRequestHandler):
    """As much of GitLab's notes of a merge request as the template asks for."""

    def do_GET(self):
        self.answer(json.dumps(self.server.notes).encode())

    def do_POST(self):
        self.change()

    def do_PUT(self):
        self.change()

    def change(self):
        body = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())["body"][0]
        self.server.changes.append((self.command, self.path, self.headers["PRIVATE-TOKEN"], body))
        self.answer(b"{}")

    def answer(self, content):
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        """Say nothing."""


@pytest.mark.skipif(programs.find("curl") is None, reason="curl is not there")
@pytest.mark.parametrize(
    ("notes", "verb", "end"),
    [
        ([{"id": 1, "body": "hello"}], "POST", "/notes"),
        ([{"id": 2, "body": "<!-- envbuild -->\nold"}], "PUT", "/notes/2"),
    ],
)
def test_gitlab_keeps_one_note(repository, runner, notes, verb, end):
    [script] = GITLAB["envbuild-diff"]["script"]
    git(repository, "remote", "add", "origin", str(repository))
    git(repository, "config", "uploadpack.allowAnySHA1InWant", "true")
    with ThreadingHTTPServer(("127.0.0.1", 0), Notes) as server:
        server.notes, server.changes = notes, []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        done = runner(
            script, repository, CI_MERGE_REQUEST_DIFF_BASE_SHA=git(repository, "rev-parse", "HEAD"), CI_PROJECT_ID="3",
            CI_MERGE_REQUEST_IID="4", CI_API_V4_URL=f"http://127.0.0.1:{server.server_port}/api/v4", ENVBUILD_COMMENT_TOKEN="t", no_proxy="*",
        )  # fmt: skip
        server.shutdown()
    assert done.code == 0, done.stderr
    [(method, path, token, body)] = server.changes
    assert (method, path, token) == (verb, f"/api/v4/projects/3/merge_requests/4{end}", "t")
    assert "1.0 → 1.1" in body


def test_gitlab_logs_in_at_its_own_registry(repository, runner, tmp_path):
    [script] = GITLAB["envbuild-image"]["script"]
    fake = tmp_path / "bin/envbuild"
    fake.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/said\nenv | grep ^ENVBUILD_AUTH | sort >> {tmp_path}/said\n')
    done = runner(
        script, repository, CI_REGISTRY="registry.example:5050", CI_REGISTRY_USER="me", CI_REGISTRY_PASSWORD="p", ENVBUILD_ENGINE="oci",
        ENVBUILD_DEFINITIONS="a.yml b.yml", ENVBUILD_IMAGE="registry.example:5050/me/x", CI_COMMIT_SHORT_SHA="abc",
    )  # fmt: skip
    assert done.code == 0, done.stderr
    said = (tmp_path / "said").read_text().splitlines()
    assert said[0] == "image a.yml --locked --engine oci --tag registry.example:5050/me/x:abc --push --json"
    assert said[1:] == [
        "ENVBUILD_AUTH_REGISTRY_EXAMPLE_5050_PASSWORD=p",
        "ENVBUILD_AUTH_REGISTRY_EXAMPLE_5050_USERNAME=me",
    ]


def test_gitlab_pushes_an_update(repository, runner, tmp_path):
    [script] = GITLAB["envbuild-update"]["script"]
    # what locks is not what is tried here
    script = script.replace("envbuild lock --all --update-all --update-base $ENVBUILD_DEFINITIONS\n", "")
    git(tmp_path, "init", "-q", "--bare", "me.git")
    git(tmp_path / "me.git", "config", "receive.advertisePushOptions", "true")
    git(repository, "config", f"url.file://{tmp_path}/.insteadOf", "https://oauth2:t@example.test/")
    done = runner(
        script, repository, ENVBUILD_UPDATE_TOKEN="t",
        ENVBUILD_UPDATE_BRANCH="envbuild/update", CI_SERVER_HOST="example.test", CI_PROJECT_PATH="me", CI_DEFAULT_BRANCH="main",
    )  # fmt: skip
    assert done.code == 0, done.stderr
    message = git(tmp_path / "me.git", "log", "-1", "--format=%B", "envbuild/update")
    assert message.startswith("Lock afresh")
    assert "1.0 → 1.1" in message


def test_the_build_step_hands_on_name_and_digest(repository, runner, tmp_path):
    fake = tmp_path / "bin/envbuild"
    answer = json.dumps({"name": "envbuild/envbuild_ab", "digest": "sha256:cd"})
    fake.write_text(f"#!/bin/sh\necho \"$@\" > {tmp_path}/said\necho '{answer}'\n")
    done = runner(
        step("build"), repository, DEFINITIONS="pyproject.toml", ENVIRONMENT="", TAGS="registry.example:5000/a:1 registry.example/a:2",
        PUSH="true", CACHE="registry.example/cache", ENGINE="docker",
    )  # fmt: skip
    assert done.code == 0, done.stderr
    said = (tmp_path / "said").read_text()
    assert (
        "--tag registry.example:5000/a:1 --tag registry.example/a:2 --push --cache-from type=registry,ref=registry.example/cache"
        in said
    )
    output = (tmp_path / "output").read_text().splitlines()
    assert output == ["image=envbuild/envbuild_ab", "digest=sha256:cd", "subject=registry.example:5000/a"]
