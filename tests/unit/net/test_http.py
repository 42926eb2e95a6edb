import datetime as dt
import socket
from email.utils import format_datetime

import pytest

from envbuild.core.errors import NetworkError
from envbuild.net.credentials import Credential, CredentialFinder
from envbuild.net.http import HttpClient, Patience
from envbuild.net.offline import is_offline

from .loopback import Answer


def test_a_passing_503_is_tried_again(server, client, waits):
    server.on("/a", Answer(status=503), Answer(status=502), Answer(body=b"well"))
    assert client.get(f"{server.url}/a") == b"well"
    assert len(server.asked("/a")) == 3
    assert len(waits.seconds) == 2


def test_waits_double_with_jitter_and_are_bounded():
    patience = Patience(first_wait=1, longest_wait=3)
    for attempt, most in ((1, 1), (2, 2), (3, 3), (9, 3)):
        assert most / 2 <= patience.wait(attempt) <= most


def test_retry_after_in_seconds_is_obeyed(server, client, waits):
    server.on("/a", Answer(status=429, headers={"Retry-After": "7"}), Answer(body=b"well"))
    assert client.get(f"{server.url}/a") == b"well"
    assert waits.seconds == [7.0]


def test_retry_after_as_a_date_is_obeyed(server, client, waits):
    later = format_datetime(dt.datetime.now(dt.timezone.utc) + dt.timedelta(seconds=20), usegmt=True)
    server.on("/a", Answer(status=503, headers={"Retry-After": later}), Answer(body=b"well"))
    assert client.get(f"{server.url}/a") == b"well"
    assert 10 < waits.seconds[0] <= 20


def test_a_server_that_wants_too_long_a_wait_is_given_up_with_its_wish(server, client, waits):
    server.on("/a", Answer(status=429, headers={"Retry-After": "3600"}))
    with pytest.raises(NetworkError, match=r"429 .*asks to wait 3600 s"):
        client.get(f"{server.url}/a")
    assert waits.seconds == []


def test_attempts_are_bounded_and_counted_in_the_message(server, client):
    server.on("/a", Answer(status=500))
    with pytest.raises(NetworkError, match=r"GET http://127.0.0.1:\d+/a: 500 .*\(3 attempts\)"):
        client.get(f"{server.url}/a")
    assert len(server.asked("/a")) == 3


@pytest.mark.parametrize("status", [400, 403, 404, 501])
def test_what_will_not_change_is_not_tried_again(server, client, status):
    server.on("/a", Answer(status=status))
    with pytest.raises(NetworkError, match=str(status)):
        client.get(f"{server.url}/a")
    assert len(server.asked("/a")) == 1


def test_a_dropped_connection_is_tried_again(server, client):
    server.on("/a", Answer(body=b"x" * 1000, cut=10), Answer(body=b"whole"))
    assert client.get(f"{server.url}/a") == b"whole"


def test_a_body_that_is_too_large_is_refused(server, client):
    server.on("/a", Answer(body=b"x" * 1000))
    with pytest.raises(NetworkError, match="larger than 100 bytes"):
        client.get(f"{server.url}/a", limit=100)


def test_a_body_is_opened_anew_for_each_attempt(server, client):
    import io

    opened = []

    def body():
        opened.append(io.BytesIO(b"payload"))
        return opened[-1]

    server.on("/a", Answer(status=503), Answer(status=201))
    client.request("PUT", f"{server.url}/a", body=body, accept=(201,))
    assert [one.body for one in server.asked("/a")] == [b"payload", b"payload"]
    assert len(opened) == 2
    assert all(one.closed for one in opened)


def test_a_lost_network_says_so(client):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(NetworkError) as caught:
        client.get(f"http://user:hunter2@127.0.0.1:{port}/a?token=hunter2")
    problem = caught.value.problems[0]
    assert f"GET http://127.0.0.1:{port}/a?…: the connection was refused (3 attempts)" in problem.message
    assert "proxy" in problem.hint
    assert "hunter2" not in repr(caught.value)


@pytest.mark.parametrize(("reason", "attempts"), [(socket.EAI_NONAME, 1), (socket.EAI_AGAIN, 3)])
def test_a_name_that_does_not_resolve_says_so(client, monkeypatch, reason, attempts):
    asked = []

    def unknown(*_, **__):
        asked.append(1)
        raise socket.gaierror(reason, "no such name")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(NetworkError, match="the host name cannot be resolved"):
        client.get("https://nowhere.invalid/a")
    assert len(asked) == attempts


def test_a_silent_server_times_out(waits):
    impatient = HttpClient(offline=False, patience=Patience(read=0.1, attempts=2), finder=None, sleep=waits)
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        with pytest.raises(NetworkError, match="no answer in time"):
            impatient.get(f"http://127.0.0.1:{mute.getsockname()[1]}/")


def test_offline_refuses_before_anything_is_sent(server):
    with pytest.raises(NetworkError, match="the network is off"):
        HttpClient(offline=True, finder=None).get(f"{server.url}/a")
    assert server.requests == []


def test_the_environment_can_forbid_the_network(monkeypatch):
    assert is_offline({"ENVBUILD_OFFLINE": "1"})
    assert not is_offline({"ENVBUILD_OFFLINE": "0"})
    assert not is_offline({})
    monkeypatch.setenv("ENVBUILD_OFFLINE", "true")
    assert HttpClient().offline


def test_a_url_without_scheme_is_refused_at_once(client, waits):
    with pytest.raises(NetworkError, match="not a URL of http or https"):
        client.get("ftp://index.example/a")
    assert waits.seconds == []


def test_a_missing_ca_file_is_named(client, tmp_path, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "missing.pem"))
    with pytest.raises(NetworkError, match=r"missing\.pem"):
        client.get("https://127.0.0.1:1/a")


def test_userinfo_becomes_a_header_and_leaves_the_url(server, client):
    server.on("/a", Answer(body=b"x"))
    client.get(server.url.replace("//", "//me:p%40ss@") + "/a")
    assert server.requests[0].headers["authorization"] == Credential(username="me", password="p@ss").header


def test_a_netrc_of_the_user_is_used_and_no_other(server, client, tmp_path, monkeypatch):
    other = tmp_path / "other"
    other.write_text("machine 127.0.0.1 login you password no\n")
    monkeypatch.setenv("NETRC", str(other))  # requests would take this one by itself
    server.on("/a", Answer(body=b"x"))
    client.get(f"{server.url}/a")
    assert "authorization" not in server.requests[0].headers
    finder = CredentialFinder(environ={"NETRC": str(other)}, home=tmp_path)
    HttpClient(offline=False, finder=finder).get(f"{server.url}/a")
    assert server.requests[1].headers["authorization"] == Credential(username="you", password="no").header


def test_a_credential_does_not_follow_a_redirect_to_another_host(server, client):
    server.on("/a", Answer(status=302, headers={"Location": f"http://localhost:{server.port}/b"}))
    server.on("/b", Answer(body=b"there"))
    assert client.get(server.url.replace("//", "//me:secret@") + "/a") == b"there"
    assert "authorization" in server.asked("/a")[0].headers
    assert "authorization" not in server.asked("/b")[0].headers


def test_a_conda_token_goes_into_the_path_and_is_masked(server, client):
    server.on("/t/tok-123/channel/a", Answer(body=b"x"))
    found = client.request("GET", f"{server.url}/channel/a", credential=Credential(conda_token="tok-123"))
    assert found.content == b"x"
    with pytest.raises(NetworkError) as caught:
        client.request("GET", f"{server.url}/t/tok-123/channel/b")
    assert "tok-123" not in str(caught.value)


def test_a_proxy_of_the_environment_is_not_asked_for_loopback(server, client, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    server.on("/a", Answer(body=b"x"))
    assert client.get(f"{server.url}/a") == b"x"


def test_a_proxy_of_the_environment_is_asked_for_other_hosts(server, client, monkeypatch):
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    server.on("*", Answer(body=b"by proxy"))
    assert client.get("http://index.example/simple") == b"by proxy"
    assert server.requests[0].path == "http://index.example/simple"
