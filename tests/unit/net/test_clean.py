"""What of the machine's environment reaches a resolver or an installer."""

from envbuild.net.clean import clean_environment


def test_the_machines_own_configuration_does_not_reach_a_resolver():
    environ = {
        "PATH": "/bin",
        "HTTPS_PROXY": "http://proxy.example",
        "SSL_CERT_FILE": "/ca.pem",
        "UV_INDEX": "https://evil.example",
        "UV_DEFAULT_INDEX": "x",
        "UV_FIND_LINKS": "x",
        "UV_EXCLUDE_NEWER": "x",
        "UV_CACHE_DIR": "/cache",
        "PIP_INDEX_URL": "x",
        "PIP_FIND_LINKS": "x",
        "PIP_CERT": "/ca.pem",
        "VIRTUAL_ENV": "/venv",
    }
    kept = clean_environment(environ)
    assert sorted(kept) == ["HTTPS_PROXY", "PATH", "PIP_CERT", "SSL_CERT_FILE", "UV_CACHE_DIR"]


def test_the_cache_of_envbuild_holds_the_resolvers_caches_where_it_is_named():
    kept = clean_environment({"ENVBUILD_CACHE_DIR": "/c"})
    assert (kept["UV_CACHE_DIR"], kept["PIP_CACHE_DIR"]) == ("/c/uv", "/c/pip")
