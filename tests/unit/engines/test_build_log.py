from __future__ import annotations

import pytest

from envbuild.context import Context, Step
from envbuild.core.definition import Origin
from envbuild.core.progress import Progress
from envbuild.core.progress import Step as ProgressStep
from envbuild.engines.build_log import BuildLog, count_steps, find_step, redact

RUN = "RUN --mount=type=cache,target=/x uv pip install --python /opt/env"
CONTEXT = Context(
    dockerfile="",
    steps=(
        Step(kind="base", line=1, text="FROM x AS a"),
        Step(
            kind="pip",
            line=7,
            text=RUN,
            origins=(Origin(file="requirements.txt", line=3), Origin(file="requirements.txt", line=2)),
        ),
        Step(kind="files", line=9, text="COPY app/ /app/"),
    ),
)
BUILDKIT = f"""\
#1 [internal] load build definition from Dockerfile
#1 DONE 0.0s
#5 [a 1/3] FROM x
#5 CACHED
#6 [a 2/3] {RUN}
#6 sha256:0000
#6 0.512 Resolved 2 packages
#6 1.024 error: hash mismatch
#6 ERROR: executor failed running [/bin/sh -c uv]: exit code: 2
------
 > [a 2/3] {RUN}:
------
executor failed running [/bin/sh -c uv]: exit code: 2
""".splitlines()


class Recorder(Progress):
    def __init__(self) -> None:
        self.seen: list[tuple[int, str]] = []

    def advanced(self, step: ProgressStep, amount: int, detail: str) -> None:
        self.seen.append((amount, detail))


def fed(lines: list[str], progress: ProgressStep | None = None) -> BuildLog:
    log = BuildLog(CONTEXT, progress)
    for line in lines:
        log.take(line)
    return log


@pytest.mark.parametrize("words", ["before", "behind"])
def test_buildah_names_the_failed_step_itself_as_another_stage_may_have_begun(words: str) -> None:
    begun = ["[3/3] STEP 1/2: FROM x AS a"]
    said = ["error: hash mismatch", "subprocess exited with status 1"]
    between = said + begun if words == "before" else begun + said
    log = fed(
        [
            "[1/3] STEP 1/3: FROM x AS a",
            f"[2/3] STEP 2/3: {RUN}",
            *between,
            f'Error: building at STEP "{RUN}": exit status 1',
        ]
    )
    message = str(log.failure("/log"))
    assert message.startswith("the pip step of the build failed (Dockerfile:7)\n")
    assert "\n  | error: hash mismatch\n  | subprocess exited with status 1\n" in message
    assert "STEP 1/2" not in message


def test_buildkits_failure_names_step_lines_origin_and_log() -> None:
    message = str(fed(BUILDKIT).failure("/log"))
    assert message == (
        "the pip step of the build failed (Dockerfile:7)\n"
        "  asked for by requirements.txt:2, requirements.txt:3\n"
        "  | Resolved 2 packages\n"
        "  | error: hash mismatch\n"
        "  hint: the full log is in /log"
    )


def test_a_step_that_says_nothing_is_told_itself() -> None:
    log = BuildLog(CONTEXT)
    for line in ("#6 [a 1/3] FROM x", "#6 DONE 0.0s", "#7 [a 3/3] COPY app/ /app/", "#7 ERROR: no such file: app"):
        log.take(line)
    assert "  | COPY app/ /app/\n  | ERROR: no such file: app\n" in str(log.failure("/log"))


@pytest.mark.parametrize(
    ("said", "places"),
    [
        ("E: Unable to locate package libfoo", "a.toml:2"),
        ("error: Failed to download `my_lib==1.0`", "a.toml:3"),
        ("My.Lib 1.0 and libfoo", "a.toml:2, a.toml:3"),
        ("libfoo-dev and my-library", "a.toml:2, a.toml:3, a.toml:4"),
        ("no space left on device", "a.toml:2, a.toml:3, a.toml:4"),
    ],
)
def test_the_lines_are_those_whose_package_the_output_names(said: str, places: str) -> None:
    origins = [Origin(file="a.toml", line=line) for line in (2, 3, 4)]
    asked = tuple(zip(("libfoo", "my-lib", "other"), origins, strict=True))
    step = Step(kind="apt", line=1, text=RUN, origins=tuple(origins), asked=asked)
    log = BuildLog(Context(dockerfile="", steps=(step,)))
    for line in (f"#6 [a 2/3] {RUN}", f"#6 0.5 {said}", "#6 ERROR: exit code: 1"):
        log.take(line)
    assert f"asked for by {places}\n" in str(log.failure("/log"))


def test_what_ran_and_what_was_cached_is_told() -> None:
    log = fed([*BUILDKIT[:5], "#6 DONE 1.0s", "#7 [a 3/3] COPY app/ /app/", "#7 CACHED"])
    assert log.cached == ["FROM x", "COPY app/ /app/"]
    assert log.ran == [RUN]


def test_progress_tells_the_kind_of_layer() -> None:
    recorder = Recorder()
    fed(BUILDKIT, recorder.step("build"))
    assert recorder.seen[:3] == [(0, "base: FROM x"), (1, "base: FROM x"), (0, f"pip: {RUN[:59]}…")]


@pytest.mark.parametrize(
    "lines",
    [
        ["Step 1/3 : FROM x", " ---> 12ab", f"Step 2/3 : {RUN}", " ---> Running in 12", "error: hash mismatch"],
        ["STEP 1/3: FROM x", f"STEP 2/3: {RUN}", "error: hash mismatch"],
        ["[1/2] STEP 1/3: FROM x", f"[2/2] STEP 2/3: {RUN}", "error: hash mismatch"],
    ],
)
def test_other_builders_failures_are_understood(lines: list[str]) -> None:
    message = str(fed(lines).failure("/log"))
    assert message.startswith("the pip step of the build failed (Dockerfile:7)")
    assert "| error: hash mismatch" in message


def test_a_failure_before_any_step_shows_what_was_said() -> None:
    assert str(fed(["cannot connect to the daemon"]).failure("/log")).splitlines()[:2] == [
        "the build failed",
        "  | cannot connect to the daemon",
    ]


def test_credentials_in_urls_are_left_out_of_the_log() -> None:
    log = fed(["#6 [a 2/3] RUN x", "#6 0.1 https://user:pass@index.example/simple token https://t0ken@x.example"])
    assert "pass" not in "\n".join(log.lines)
    assert redact("https://user:pass@index.example/a@b") == "https://index.example/a@b"


def test_a_step_is_found_with_other_spaces_cut_short_or_without_its_flags() -> None:
    assert find_step(CONTEXT, RUN.replace(" ", "   ")) == CONTEXT.steps[1]
    assert find_step(CONTEXT, "RUN uv pip install --py...") == CONTEXT.steps[1]
    assert find_step(CONTEXT, "RUN something else") is None


def test_only_what_an_engine_shows_is_counted() -> None:
    assert count_steps([(1, "FROM x"), (2, "RUN a"), (3, "ENV A=1"), (4, "copy a b")]) == 3
