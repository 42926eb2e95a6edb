import pytest

from envbuild.formats.urls import filename, is_url, without_credentials


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://user:pass@h.example/a?b#c", "https://h.example/a?b#c"),
        ("https://token@h.example/a", "https://h.example/a"),
        ("https://$USER:$PASSWORD@h.example:8080/a", "https://h.example:8080/a"),
        ("https://h.example/t/tk-123/channel/linux-64/a.conda", "https://h.example/channel/linux-64/a.conda"),
        ("ssh://git:pass@h.example/a", "ssh://git@h.example/a"),
        ("git+ssh://git@h.example/a", "git+ssh://git@h.example/a"),
        ("https://h.example/a@b", "https://h.example/a@b"),
        ("https://a:b@c:d@h.example/", "https://h.example/"),
        ("file:///t/x/y", "file:///t/x/y"),
        ("channel-name", "channel-name"),
    ],
)
def test_credentials_are_taken_out(url, expected):
    assert without_credentials(url) == expected
    assert without_credentials(expected) == expected


@pytest.mark.parametrize(
    "text", ["https://h/a b", "no scheme", "https://h/\n", 'https://h/"', "https:", "1a://b", "https://h/<x>"]
)
def test_what_is_no_url(text):
    assert not is_url(text)


def test_a_file_name_is_decoded():
    assert filename("https://h.example/a/b%2Bc-1.0.whl?x=1#y") == "b+c-1.0.whl"
    assert filename("https://h.example/a/b/") == "b"
