"""What the help of each command shows at its end, and the reference too. The tests parse every line of it."""

from __future__ import annotations

EXAMPLES: dict[str, tuple[str, ...]] = {
    "envbuild": (
        "envbuild init                              # a table for the files that are here",
        "envbuild lock environment.yml              # every package, exact and hashed",
        "envbuild lock --check environment.yml      # is the lock fresh? offline",
        "envbuild image environment.yml             # the image of the lock",
        "envbuild COMMAND --help                    # more examples",
    ),
    "envbuild lock": (
        "envbuild lock environment.yml",
        "envbuild lock environment.yml --platform linux-64 --platform osx-arm64",
        "envbuild lock environment.yml --update numpy   # numpy may move, all else stays",
        "envbuild lock --update-all --dry-run           # what would move?",
        "envbuild lock pyproject.toml --all             # each of its environments",
        "envbuild lock --check envs/*.yml               # exit 1, and why, where one is stale",
    ),
    "envbuild show": (
        "envbuild show environment.yml",
        "envbuild show --json envs/*.yml                # one line of JSON a file",
    ),
    "envbuild image": (
        "envbuild image environment.yml",
        "envbuild image environment.yml --plan          # layers and keys, nothing is built",
        "envbuild image environment.yml --generate-dockerfile docker   # for `docker build docker`",
        "envbuild image environment.yml --tag registry.example/me/train:1 --push",
        "envbuild image environment.yml --engine oci --output docker-archive:train.tar   # no daemon",
    ),
    "envbuild package": (
        "envbuild package environment.yml --model model.pkl --entry-script score.py --output service/",
        "envbuild package environment.yml --model iris:1 --entry-script score.py --tag iris-service",
    ),
    "envbuild run": (
        "envbuild run train.py --alpha 0.1              # what is behind the script goes to it",
        "envbuild run -e environment.yml -d src train.py",
    ),
    "envbuild deploy": (
        "envbuild deploy blue.yml green.yml             # what `az ml online-deployment create -f` takes",
        "envbuild deploy green.yml --all-traffic",
        "envbuild deploy endpoint.yml --check           # only read it",
    ),
    "envbuild endpoint update": ('envbuild endpoint update -n my-endpoint --traffic "blue=90 green=10"',),
    "envbuild endpoint invoke": ("envbuild endpoint invoke -n my-endpoint -r request.json",),
    "envbuild batch run": (
        "envbuild batch run deployment.yml --input images/ --output scored/",
        "envbuild batch run --ic inferenceconfig.json -m iris:1 --input rows/ --output scored/",
    ),
    "envbuild model profile": (
        "envbuild model profile -n first -m iris:1 --ic inferenceconfig.json --requests-file requests.txt",
    ),
    "envbuild model register": ("envbuild model register --name iris --model-path model.pkl",),
    "envbuild diff": (
        "envbuild diff old/conda-lock.yml conda-lock.yml",
        "envbuild diff --against main                   # every lock here that differs from main",
        "envbuild diff --against main --format markdown # for a pull request",
    ),
    "envbuild export": (
        "envbuild export --format requirements          # for pip: pinned and hashed",
        "envbuild export --format explicit --platform linux-64 > explicit.txt   # for conda create --file",
        "envbuild export --format cyclonedx -o sbom.json",
    ),
    "envbuild import": (
        "envbuild import pixi.lock --environment default",
        "envbuild import poetry.lock -o pylock.toml",
    ),
    "envbuild why": ("envbuild why openssl", "envbuild why openssl conda-lock.yml --platform osx-arm64"),
    "envbuild tree": ("envbuild tree environment.yml",),
    "envbuild outdated": ("envbuild outdated environment.yml --format markdown",),
    "envbuild audit": ("envbuild audit pylock.toml --database advisories.zip",),
    "envbuild init": ("envbuild init --dry-run", "envbuild init path/of/project"),
    "envbuild report": (
        "envbuild report environment.yml --open",
        "envbuild report pixi.lock -o pixi.html",
        "envbuild report conda-lock.yml --against v1.2  # what moved since that git revision",
    ),
    "envbuild doctor": ("envbuild doctor", "envbuild doctor --json"),
    "envbuild clean": (
        "envbuild clean                                 # what takes how much; nothing is removed",
        "envbuild clean --unused 30 --yes               # remove what nobody used for 30 days",
    ),
    "envbuild schema": ("envbuild schema conda -o conda.schema.json", "envbuild schema --all schemas"),
    "envbuild completion": (
        'eval "$(envbuild completion bash)"             # in ~/.bashrc, or zsh in ~/.zshrc',
        "envbuild completion fish > ~/.config/fish/completions/envbuild.fish",
    ),
    "envbuild hook": (
        "envbuild hook lock-check                       # all definitions below here",
        "envbuild hook dockerfile --write docker/Dockerfile",
    ),
}
"""Command → command lines; what stands behind `#` explains."""
