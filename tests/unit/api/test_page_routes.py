import re

import httpx
import pytest

from service.api.page_routes import FOLDER
from service.api.problems import MEDIA_TYPE

pytestmark = pytest.mark.anyio
STATIC_FILES = sorted(path.relative_to(FOLDER / "static") for path in (FOLDER / "static").rglob("*") if path.is_file())


def _policy(answer: httpx.Response) -> dict[str, list[str]]:
    directives = [part.split() for part in answer.headers["content-security-policy"].split(";")]
    return {name: values for name, *values in directives}


async def test_the_page_is_served_with_a_strict_policy(client: httpx.AsyncClient) -> None:
    answer = await client.get("/")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = _policy(answer)
    assert policy["default-src"] == ["'none'"]
    assert policy["script-src"] == ["'self'"]
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == ["'none'"]
    assert not any("unsafe" in value or "*" in value or ":/" in value for values in policy.values() for value in values)
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_each_answer_has_a_nonce_of_its_own(client: httpx.AsyncClient) -> None:
    nonces = set[str]()
    for _ in range(3):
        answer = await client.get("/")
        (nonce,) = re.findall(r'data-nonce="([^"]+)"', answer.text)
        assert f"'nonce-{nonce}'" in _policy(answer)["style-src"]
        assert answer.headers["cache-control"] == "no-store"
        nonces.add(nonce)
    assert len(nonces) == 3


def test_the_page_has_no_code_and_no_styles_in_line() -> None:
    document = (FOLDER / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son[a-z]+=|javascript:", document)


async def test_every_file_that_the_page_names_is_served_from_here(client: httpx.AsyncClient) -> None:
    document = (await client.get("/")).text
    named = [name for name in re.findall(r'(?:src|href)="([^"#]+)', document) if name not in ("./", "docs")]
    assert {name.rsplit(".")[-1] for name in named} == {"css", "js", "svg"}
    for name in named:
        assert name.startswith("web/")  # relative, so that a path prefix of a proxy does not matter
        assert (await client.get(f"/{name}")).status_code == 200


async def test_every_module_imports_only_files_that_are_served() -> None:
    for path in FOLDER.glob("static/*.js"):
        text = path.read_text(encoding="utf-8")
        for name in re.findall(r"""(?:from |import\(|new URL\(|LIBRARY = )"([^"]+)""", text):
            assert name.startswith("./"), (path, name)
            assert (path.parent / name).is_file(), (path, name)


@pytest.mark.parametrize("path", STATIC_FILES, ids=str)
async def test_every_static_file_has_its_content_type_and_can_be_kept(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(f"/web/{path}")
    assert answer.status_code == 200
    types = {"js": "text/javascript; charset=utf-8", "mjs": "text/javascript; charset=utf-8", "flac": "audio/flac"}
    types |= {"css": "text/css; charset=utf-8", "svg": "image/svg+xml", "LICENSE": "text/plain; charset=utf-8"}
    assert answer.headers["content-type"] == types[str(path).rsplit("/")[-1].rsplit(".")[-1]]
    is_library = str(path).startswith("vendor/")
    assert answer.headers["cache-control"] == ("public, max-age=31536000, immutable" if is_library else "no-cache")
    assert _policy(answer)["script-src"] == ["'self'"]
    again = await client.get(f"/web/{path}", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    "path", ["/web/", "/web/none.js", "/web/index.html", "/web/../index.html", "/web/%2e%2e/vendor.py"]
)
async def test_what_is_no_static_file_is_a_problem(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (404, MEDIA_TYPE)


async def test_the_page_answers_head_and_refuses_other_methods(client: httpx.AsyncClient) -> None:
    head = await client.head("/")
    assert (head.status_code, head.content) == (200, b"")
    refused = await client.post("/")
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize(
    "value", ["bytes=0-3", "bytes=abc", "bytes=5-1", "items=0-1", "bytes=99999999-", "bytes=0-1,3-4"]
)
async def test_a_range_of_a_static_file_is_the_whole_file(client: httpx.AsyncClient, value: str) -> None:
    answer = await client.get("/web/main.js", headers={"Range": value})
    assert (answer.status_code, answer.content) == (200, (FOLDER / "static/main.js").read_bytes())
    assert "Accept-Ranges" not in answer.headers
    assert "Content-Security-Policy" in answer.headers
