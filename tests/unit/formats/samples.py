"""One small lock file of each format that other tools write."""

from tests.unit.formats.locks import CHANNEL, INDEX, WHEEL_TAGS, digest

_NUMPY = f"https://files.example/numpy-1.26.4-{WHEEL_TAGS['linux-64']}.whl"
_FLASK = "https://files.example/flask-3.0.0-py3-none-any.whl"

PIXI_6 = f"""\
version: 6
environments:
  default:
    channels:
    - url: {CHANNEL}/
    indexes:
    - {INDEX}
    packages:
      linux-64:
      - conda: {CHANNEL}/linux-64/python-3.11.9-h1_0_cpython.conda
      - conda: {CHANNEL}/noarch/tzdata-2026a-h1_0.conda
      - pypi: {_NUMPY}
      - pypi: {_FLASK}
      - pypi: git+https://git.example/a/thing.git?rev=v1&subdirectory=py#{digest("x", "sha1")}
      - pypi: ./local
      win-64:
      - conda: {CHANNEL}/noarch/tzdata-2026a-h1_0.conda
      - pypi: {_FLASK}
packages:
- conda: {CHANNEL}/linux-64/python-3.11.9-h1_0_cpython.conda
  build_number: 0
  sha256: {digest("p")}
  md5: {digest("p", "md5")}
  depends:
  - tzdata
  - __glibc >=2.17,<3.0.a0
  constrains:
  - python_abi 3.11.* *_cp311
  license: Python-2.0
  size: 100
  timestamp: 1
- conda: {CHANNEL}/noarch/tzdata-2026a-h1_0.conda
  sha256: {digest("t")}
  md5: {digest("t", "md5")}
  noarch: generic
- pypi: {_FLASK}
  name: flask
  version: 3.0.0
  sha256: {digest("f")}
  requires_dist:
  - numpy>=1
  - asgiref>=3.2 ; extra == 'async'
  requires_python: '>=3.8'
- pypi: git+https://git.example/a/thing.git?rev=v1&subdirectory=py#{digest("x", "sha1")}
  name: thing
  version: '1.0'
- pypi: ./local
  name: local
  version: 0.1.0
- pypi: {_NUMPY}
  name: numpy
  version: 1.26.4
  sha256: {digest("n")}
"""

PIXI_5 = f"""\
version: 5
environments:
  default:
    channels:
    - url: {CHANNEL}/
    packages:
      osx-arm64:
      - conda: {CHANNEL}/osx-arm64/zlib-1.3-h1_2.conda
      - pypi: direct+{_FLASK}
packages:
- kind: pypi
  name: flask
  version: 3.0.0
  url: direct+{_FLASK}
  sha256: {digest("f")}
- kind: conda
  name: zlib
  version: '1.3'
  build: h1_2
  build_number: 2
  subdir: osx-arm64
  url: {CHANNEL}/osx-arm64/zlib-1.3-h1_2.conda
  md5: {digest("z", "md5")}
  size: 5
"""

PIXI_7 = f"""\
version: 7
platforms:
- name: gpu
  subdir: linux-64
  virtual-packages:
  - __cuda=12.4=0
- name: win-64
environments:
  test:
    channels:
    - url: {CHANNEL}/
    packages:
      gpu:
      - conda: {CHANNEL}/linux-64/zlib-1.3-h1_2.conda
  other:
    channels: []
    packages:
      win-64:
      - conda_source: thing[1234abcd] @ ../thing
packages:
- conda: {CHANNEL}/linux-64/zlib-1.3-h1_2.conda
  md5: {digest("z", "md5")}
"""

UV = f"""\
version = 1
revision = 2
requires-python = ">=3.11.2"

[[package]]
name = "colorama"
version = "0.4"
source = {{ registry = "{INDEX}" }}
wheels = [
    {{ url = "https://files.example/colorama-0.4-py3-none-any.whl", hash = "sha256:{digest("c")}", size = 3, upload-time = "2026-01-02T03:04:05.600Z" }},
]

[[package]]
name = "flask"
version = "3.0.0"
source = {{ registry = "{INDEX}" }}
dependencies = [
    {{ name = "colorama", marker = "sys_platform == 'win32'" }},
    {{ name = "thing", extra = ["fast"] }},
]
sdist = {{ url = "https://files.example/flask-3.0.0.tar.gz", hash = "sha256:{digest("s")}", size = 4 }}
wheels = [
    {{ url = "{_FLASK}", hash = "sha256:{digest("f")}", size = 5 }},
]

[package.optional-dependencies]
unused = [
    {{ name = "never" }},
]

[[package]]
name = "never"
version = "1.0"
source = {{ registry = "{INDEX}" }}
sdist = {{ url = "https://files.example/never-1.0.tar.gz", hash = "sha256:{digest("v")}" }}

[[package]]
name = "project"
version = "0.1.0"
source = {{ editable = "." }}
dependencies = [
    {{ name = "flask" }},
]

[package.dev-dependencies]
dev = [
    {{ name = "never" }},
]

[[package]]
name = "speed"
version = "2.0"
source = {{ url = "https://files.example/speed-2.0-py3-none-any.whl" }}
wheels = [
    {{ url = "https://files.example/speed-2.0-py3-none-any.whl", hash = "sha256:{digest("q")}" }},
]

[[package]]
name = "thing"
version = "1.0"
source = {{ git = "https://git.example/a/thing?rev=v1#{digest("x", "sha1")}" }}

[package.optional-dependencies]
fast = [
    {{ name = "speed" }},
]
"""

POETRY = f"""\
[[package]]
name = "flask"
version = "3.0.0"
optional = false
python-versions = ">=3.8"
groups = ["main"]
markers = "python_version >= \\"3.8\\""
files = [
    {{file = "flask-3.0.0-py3-none-any.whl", hash = "sha256:{digest("f")}"}},
    {{file = "flask-3.0.0.tar.gz", hash = "sha256:{digest("s")}"}},
]

[package.dependencies]
Thing = ">=1"
asgiref = {{version = "*", optional = true}}

[[package]]
name = "pytest"
version = "9.0"
optional = false
python-versions = ">=3.9"
groups = ["dev"]
files = []

[[package]]
name = "thing"
version = "1.0"
optional = false
python-versions = "^3.8"
groups = ["main"]
files = []

[package.source]
type = "git"
url = "https://git.example/a/thing"
reference = "v1"
resolved_reference = "{digest("x", "sha1")}"

[metadata]
lock-version = "2.1"
python-versions = "^3.10"
content-hash = "{digest("content")}"
"""

PIPFILE = f"""\
{{
    "_meta": {{
        "hash": {{"sha256": "{digest("m")}"}},
        "pipfile-spec": 6,
        "requires": {{"python_version": "3.11"}},
        "sources": [{{"name": "main", "url": "https://user:secret@index.example/simple", "verify_ssl": true}}]
    }},
    "default": {{
        "flask": {{
            "hashes": ["sha256:{digest("f")}", "sha256:{digest("s")}"],
            "index": "main",
            "markers": "python_version >= '3.8'",
            "version": "==3.0.0"
        }},
        "thing": {{"git": "https://git.example/a/thing", "ref": "{digest("x", "sha1")}"}}
    }},
    "develop": {{"pytest": {{"version": "==9.0"}}}}
}}
"""

MAMBA = f"""\
{{
  "lockVersion": "1.0.0",
  "platform": "linux-64",
  "specs": ["zlib"],
  "channels": ["main"],
  "channelInfo": {{"main": [{{"url": "{CHANNEL}", "protocol": "https"}}]}},
  "packages": {{
    "zlib-1.3-h1_2.conda": {{
      "name": "zlib",
      "version": "1.3",
      "build": "h1_2",
      "subdir": "linux-64",
      "channel": "main",
      "hash": {{"md5": "{digest("z", "md5")}"}}
    }}
  }},
  "pipPackages": {{
    "flask-3.0.0-py3-none-any.whl": {{"name": "Flask", "version": "3.0.0", "url": "{_FLASK}"}}
  }}
}}
"""

EXPLICIT = f"""\
# platform: linux-64
@EXPLICIT
{CHANNEL}/linux-64/zlib-1.3-h1_2.conda#{digest("z", "md5")}
"""
