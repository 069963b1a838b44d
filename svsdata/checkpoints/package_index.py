"""Where the package index that pip is set up for keeps a file, so that we can fetch it ourselves.

Pages are those of PEP 503 (HTML) and PEP 691 (JSON). Of pip's settings its own command tells index,
extra indexes, folders and pages of links, certificates and proxy; only pip knows the rest.
"""

import ast
import http.client
import re
import ssl
import subprocess
import sys
import urllib.error
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin, urlsplit, urlunsplit
from urllib.request import (
    HTTPBasicAuthHandler,
    HTTPPasswordMgrWithPriorAuth,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
    build_opener,
    url2pathname,
)

from pydantic import BaseModel, ValidationError

from svsdata.checkpoints.named_weights import Package
from svsdata.progress import Progress

_PYPI = "https://pypi.org/simple"
_JSON = "application/vnd.pypi.simple.v1+json"
_ACCEPTED = f"{_JSON}, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"
_LISTED = re.compile(r"(global|download|:env:)\.([a-z-]+)=(.+)")
_PATIENCE_S = 15
"""As pip's."""


@dataclass(frozen=True)
class Located:
    """An archive's address and what opens it."""

    url: str
    opener: OpenerDirector


def locate(package: Package, progress: Progress) -> Located | None:
    """Find a package's archive where pip would look for it.

    Args:
        package: What is wanted; an archive whose page tells another hash is passed over.
        progress: Hears of pages that cannot be read.

    Returns:
        None if no page that we can read has it.
    """
    settings = pip_settings(progress)
    pages, passwords = [], HTTPPasswordMgrWithPriorAuth()
    for address in _pages(settings, package.requirement.partition("==")[0]):
        parts = urlsplit(address)
        host = parts.netloc.rpartition("@")[2]
        if parts.username is not None:
            user, password = unquote(parts.username), unquote(parts.password or "")
            passwords.add_password(
                None, f"{parts.scheme}://{host}/", user, password, is_authenticated=True
            )
        pages.append(urlunsplit(parts._replace(netloc=host)))
    try:
        opener = _opener(settings, passwords)
    except OSError as error:
        progress.note(f"cannot read pip's certificates '{settings.get('cert')}': {error}")
        return None
    for page in pages:
        try:
            links = list(_links(page, opener))
        except (OSError, http.client.HTTPException, ValueError) as error:
            if not _is_missing(error):
                progress.note(f"cannot read {page}: {error}")
            continue
        for url, sha256 in links:
            named = unquote(urlsplit(url).path.rpartition("/")[2])
            if named == package.archive and sha256 in {"", package.sha256}:
                return Located(url, opener)
    return None


def pip_settings(progress: Progress) -> Mapping[str, str]:
    """Return the options of ``pip download`` that files and environment set; none without pip.

    Args:
        progress: Hears that there is no pip.
    """
    listing, failure = run_pip("config", "list")
    if failure:
        progress.note(f"pip tells no settings ({failure}): {_PYPI} is asked")
    listed = [told for line in listing.splitlines() if (told := _LISTED.fullmatch(line))]
    return {
        told[2]: str(ast.literal_eval(told[3]))
        for section in ("global", "download", ":env:")
        for told in listed
        if told[1] == section
    }


def run_pip(*arguments: str, entered: str = "") -> tuple[str, str]:
    """Run this environment's pip; return what it printed, and why it failed, empty if it did not.

    Args:
        arguments: Of pip.
        entered: What it reads from its input.
    """
    ran = subprocess.run(
        [sys.executable, "-m", "pip", *arguments],
        input=entered, capture_output=True, text=True, check=False,
    )  # fmt: skip
    reason = (ran.stderr.strip().splitlines() or ["no reason given"])[-1]
    return ran.stdout, reason if ran.returncode else ""


def _pages(settings: Mapping[str, str], project: str) -> Iterator[str]:
    """Yield the addresses of pages and folders that may hold a project's links, best first."""
    for place in settings.get("find-links", "").split():
        yield place if "://" in place else Path(place).expanduser().absolute().as_uri()
    if settings.get("no-index", "0").lower() in {"1", "true", "yes", "y", "t", "on"}:
        return
    indexes = settings.get("index-url", _PYPI), settings.get("extra-index-url", "")
    for index in " ".join(indexes).split():
        yield f"{index.rstrip('/')}/{project}/"


def _opener(settings: Mapping[str, str], passwords: HTTPPasswordMgrWithPriorAuth) -> OpenerDirector:
    """Return what sends passwords to the hosts they were given for, and to no other."""
    proxy = settings.get("proxy")
    return build_opener(
        HTTPSHandler(context=ssl.create_default_context(cafile=settings.get("cert"))),
        HTTPBasicAuthHandler(passwords),
        ProxyHandler({"http": proxy, "https": proxy} if proxy else None),
    )


def _links(page: str, opener: OpenerDirector) -> Iterator[tuple[str, str]]:
    """Yield the absolute address and the told sha256, if any, of every file of a page or folder.

    Raises:
        OSError, HTTPException, ValueError: If it cannot be read.
    """
    if urlsplit(page).scheme == "file":
        folder = Path(url2pathname(urlsplit(page).path))
        if folder.is_dir() and not (folder / "index.html").exists():
            yield from ((file.as_uri(), "") for file in folder.iterdir())
            return
        page = f"{page.rstrip('/')}/index.html" if folder.is_dir() else page
    with opener.open(Request(page, headers={"Accept": _ACCEPTED}), timeout=_PATIENCE_S) as answer:
        body, base = answer.read().decode(errors="replace"), answer.url
        if answer.headers.get_content_type() == _JSON:
            try:
                listed = _JsonPage.model_validate_json(body).files
            except ValidationError as error:
                raise ValueError("its JSON is no list of files as PEP 691 has it") from error
            yield from ((urljoin(base, it.url), it.hashes.get("sha256", "")) for it in listed)
            return
    for link in _Anchors(body).links:
        url, fragment = urldefrag(urljoin(base, link))
        yield url, fragment.removeprefix("sha256=") if fragment.startswith("sha256=") else ""


class _JsonFile(BaseModel):
    url: str
    hashes: Mapping[str, str]


class _JsonPage(BaseModel):
    files: list[_JsonFile]


class _Anchors(HTMLParser):
    """Where the links of a page lead."""

    def __init__(self, body: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.feed(body)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.links += [value for name, value in attrs if name == "href" and value]


def _is_missing(error: Exception) -> bool:
    """Tell whether a page is just not there, as a project is in an index that has others."""
    if isinstance(error, urllib.error.HTTPError):
        return error.code == 404
    return isinstance(error, urllib.error.URLError) and isinstance(error.reason, FileNotFoundError)
