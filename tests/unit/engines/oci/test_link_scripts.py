import pytest

from envbuild.engines.oci.link_scripts import is_harmless


@pytest.mark.parametrize(
    "script",
    [
        "",
        "#!/bin/bash\n# nothing\n",
        "echo hello",
        'echo "Thank you, $USER" >> "$PREFIX/.messages.txt"',
        'echo "one" >> $PREFIX/.messages.txt 2>&1\nexit 0\n',
        "set -euo pipefail\nprintf '%s\\n' done >> ${PREFIX}/.messages.txt || true\n",
        "cat <<'EOF' >> $PREFIX/.messages.txt\nsay `date`\nEOF\n",
        'cat >> "${PREFIX}/.messages.txt" << EOF\nset $PREFIX by hand\nEOF\ntrue\n',
        "$PREFIX/bin/fc-cache -f > /dev/null 2>&1 || true",
        "echo one \\\n  two",
    ],
)
def test_what_only_speaks_is_harmless(script):
    assert is_harmless(script)


@pytest.mark.parametrize(
    "script",
    [
        "ln -s a b",
        "echo x > $PREFIX/etc/config",
        "echo x > /etc/passwd",
        "echo `rm -rf /`",
        'echo "$(id)"',
        "echo a; rm b",
        "echo a && rm b",
        "echo a | sh",
        "echo <(id)",
        "exit 1",
        "cat <<EOF >> $PREFIX/.messages.txt\n$(id)\nEOF",
        "cat <<EOF | sh\nid\nEOF",
        "cat <<EOF >> $PREFIX/.messages.txt\nno end",
        "if true; then\n  id\nfi",
        '"$PREFIX/bin/python" -m ipykernel install',
        ". ./other",
        "echo x > $PREFIX/.messages.txt/../x",
        "echo a & id",
    ],
)
def test_what_does_something_is_not(script):
    assert not is_harmless(script)
