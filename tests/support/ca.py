"""A private certificate authority and TLS for the servers of this folder, made with the `openssl` program."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

from envbuild import programs
from tests.support.http import Site


class Authority:
    """A certificate authority in `folder`; `certificate` is what clients have to trust."""

    def __init__(self, folder: Path) -> None:
        self.certificate = folder / "ca.pem"
        self._key = folder / "ca.key"
        self._folder = folder
        _openssl(
            *("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=envbuild tests"),
            *("-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign"),
            *("-keyout", self._key, "-out", self.certificate),
        )

    def secure(self, site: Site) -> None:
        """Make `site` (not yet started) speak HTTPS with a certificate for 127.0.0.1 and localhost."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.issue("IP:127.0.0.1", "DNS:localhost"))
        site.use_tls(context)

    def issue(self, *names: str) -> tuple[Path, Path]:
        """Return the files of a certificate for `names` (`DNS:host`, `IP:address`) and of its key."""
        key, request, certificate, extensions = (self._folder / f"server.{end}" for end in ("key", "csr", "pem", "ext"))
        extensions.write_text(f"subjectAltName={','.join(names)}\nextendedKeyUsage=serverAuth\n")
        subject = f"/CN={names[0].partition(':')[2]}"
        _openssl(*("req", "-newkey", "rsa:2048", "-nodes", "-subj", subject, "-keyout", key, "-out", request))
        _openssl(
            *("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self._key, "-CAcreateserial"),
            *("-days", "2", "-extfile", extensions, "-out", certificate),
        )
        return certificate, key


def machine_bundle() -> Path | None:
    """Return the file of the authorities that this machine trusts: what pip and uv are told, else OpenSSL's default."""
    named = [os.environ.get(name, "") for name in ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")]
    default = ssl.get_default_verify_paths().cafile or "/etc/ssl/certs/ca-certificates.crt"
    return next((Path(file) for file in [*named, default] if file and Path(file).is_file()), None)


def _openssl(*arguments: str | Path) -> None:
    programs.run(["openssl", *map(str, arguments)])
