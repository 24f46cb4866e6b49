"""An nginx that is thrown away, with the configuration that the documentation has."""

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Self

DOCUMENTED = Path(__file__).parents[2] / "docs" / "nginx.conf"

LONGEST_START_S = 20

MAIN = """
daemon off;
{user}
worker_processes 1;
pid {folder}/pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/site.conf;
}}
"""


def program() -> str | None:
    """nginx; None where it is not installed."""
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


class Nginx:
    """docs/nginx.conf on ports of its own, before a service; a context manager.

    Args:
        folder: where its files are kept.
        upstream: host and port of the service.
        ports: for HTTP and for HTTPS.
    """

    def __init__(self, folder: Path, upstream: str, ports: tuple[int, int]) -> None:
        self.folder, self.plain_port, self.port = folder, *ports
        self.certificate = folder / "certificate.pem"
        self.url = f"https://127.0.0.1:{self.port}/shop"
        _make_certificate(self.certificate, folder / "key.pem")
        places = {
            "server 127.0.0.1:8000;": f"server {upstream};",
            "listen 80;": f"listen 127.0.0.1:{self.plain_port};",
            "listen 443 ssl;": f"listen 127.0.0.1:{self.port} ssl;",
            "/etc/ssl/certs/shop.example.pem": str(self.certificate),
            "/etc/ssl/private/shop.example.key": str(folder / "key.pem"),
        }
        site = DOCUMENTED.read_text()
        for documented, actual in places.items():
            assert site.count(documented) == 1, documented
            site = site.replace(documented, actual)
        (folder / "site.conf").write_text(site)
        user = "user root;" if os.geteuid() == 0 else ""
        (folder / "main.conf").write_text(MAIN.format(folder=folder, user=user))

    def __enter__(self) -> Self:
        command = [str(program()), "-p", str(self.folder), "-c", str(self.folder / "main.conf")]
        with (self.folder / "output").open("wb") as output:
            self.process = subprocess.Popen(command, stdout=output, stderr=output)
        give_up_at = time.monotonic() + LONGEST_START_S
        while not _listens(self.port):
            assert self.process.poll() is None, (self.folder / "output").read_text()
            assert time.monotonic() < give_up_at, (self.folder / "error.log").read_text()
            time.sleep(0.02)
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(LONGEST_START_S)


def kept_to(port: int) -> set[int]:
    """Our own ports of the connections to a port of this machine that are established."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    fields = [line.split() for line in lines]
    return {
        int(local.rpartition(":")[2], 16)
        for _, local, remote, state, *_ in fields
        if state == "01" and int(remote.rpartition(":")[2], 16) == port
    }


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _make_certificate(certificate: Path, key: Path) -> None:
    command = [
        "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
        "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
        "-keyout", str(key), "-out", str(certificate),
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
