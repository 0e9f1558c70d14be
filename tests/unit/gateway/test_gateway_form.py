"""Forms as clients send them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
from litestar.exceptions import ClientException

from gateway.routes.form import Form, filename, read_form
from services.common.errors import InvalidRequest


class FakeRequest:
    """A body that comes in pieces."""

    def __init__(self, body: bytes, *, boundary: str = "b", piece: int = 7) -> None:
        self.content_type = ("multipart/form-data", {"boundary": boundary} if boundary else {})
        self._pieces = [body[at : at + piece] for at in range(0, len(body), piece)]

    async def stream(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece
        yield b""


async def read(*parts: bytes, **request: Any) -> Form:
    body = b"".join(b"--b\r\n" + part + b"\r\n" for part in parts) + b"--b--\r\n"
    return await read_form(cast(Any, FakeRequest(body, **request)))


def part(disposition: str, data: bytes = b"x", *headers: str) -> bytes:
    lines = [f"Content-Disposition: form-data; {disposition}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + data


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        ('form-data; name="files"; filename="a.md"', "a.md"),
        ("form-data; name=files; filename=a.md", "a.md"),
        ('form-data; name="files"; filename="Über 报告.md"', "Über 报告.md"),
        ('form-data; name="files"; filename="a%22b.md"', 'a"b.md'),
        ("form-data; name=files; filename*=utf-8''%C3%9Cber.md", "Über.md"),
        ("form-data; name=files; filename*=UTF-8'de'%C3%9Cber%20uns.md", "Über uns.md"),
        ("form-data; name=files; filename*=iso-8859-1''%DCber.md", "Über.md"),
        ("form-data; name=files; filename*=\"utf-8''%C3%9Cber.md\"", "Über.md"),
        ("form-data; name=files; filename=\"=?utf-8?B?w5xiZXIubWQ=?=\"; filename*=utf-8''%C3%9Cber.md", "Über.md"),
        ("form-data; name=files; filename*=utf-8''new.md; filename=old.md", "new.md"),
        ('form-data; name=files; filename="=?utf-8?B?w5xiZXIubWQ=?="', "Über.md"),
        ('form-data; name=files; filename="=?iso-8859-1?Q?=DCber_uns=2Emd?="', "Über uns.md"),
        ('form-data; name=files; filename="=?utf-8?B?no base64?="', "=?utf-8?B?no base64?="),
        ('form-data; name=files; filename="=?ü?B?YQ==?="', "=?ü?B?YQ==?="),
        ("form-data; name=files; filename*=klingon''%C3.md; filename=a.md", "a.md"),
        ("form-data; name=files; filename*=utf-8''%FF.md; filename=a.md", "a.md"),
        ("form-data; name=files; filename*=zip''a.md; filename=a.md", "a.md"),
        ('form-data; name="files"; filename=""', ""),
        ("form-data; name=files; filename=\"a; filename*=UTF-8''other.md\"", "a; filename*=UTF-8''other.md"),
        ("form-data; name=\"x; filename*=UTF-8''other.md\"; filename=a.md", "a.md"),
        ('form-data; name=files; filename="=?utf-8?Q?=C3=9Cber?=.md"', "Über.md"),
        ('form-data; name=files; filename="to =?utf-8?Q?=C3=9Cber?= =?utf-8?B?LTEubWQ=?="', "to Über-1.md"),
        ('form-data; name="to_formats"', None),
        ("", None),
    ],
)
def test_the_name_of_a_file_is_the_one_that_was_meant(disposition: str, name: str | None) -> None:
    assert filename(disposition) == name


async def test_texts_and_files_come_in_order_however_the_body_is_cut() -> None:
    parts = [
        part('name="to_formats"', b"md"),
        part('name="files"; filename="a.md"', bytes(range(256)) * 9),
        part('name="to_formats"', "düster".encode("latin-1"), "Content-Type: text/plain; charset=latin-1"),
        part("name=files; filename*=utf-8''%C3%9C.md", b"\x00\xff"),
    ]
    forms = [await read(*parts, piece=piece) for piece in (1, 7, 10_000)]

    assert forms[0] == forms[1] == forms[2]
    assert forms[0].fields == {"to_formats": ["md", "düster"]}
    assert [(file.filename, file.data) for file in forms[0].files] == [
        ("a.md", bytes(range(256)) * 9),
        ("Ü.md", b"\x00\xff"),
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
async def test_name_of_a_file_is_read_as_it_was_sent(encoding: str) -> None:
    form = await read('Content-Disposition: form-data; name="files"; filename="Größe.md"\r\n\r\nx'.encode(encoding))

    assert [file.filename for file in form.files] == ["Größe.md"]


@pytest.mark.parametrize(
    "body", [b"", b"nothing", b"--b\r\nX: y\r\n\r\nx\r\n--b--\r\n", b'--b\r\nContent-Disposition: form-data; name="a"']
)
async def test_what_is_no_form_is_refused(body: bytes) -> None:
    with pytest.raises(ClientException, match="multipart"):
        await read_form(cast(Any, FakeRequest(body)))


async def test_a_form_without_boundary_is_refused() -> None:
    with pytest.raises(ClientException, match="boundary"):
        await read(part("name=a"), boundary="")


async def test_more_parts_than_any_client_sends_are_refused() -> None:
    with pytest.raises(ClientException, match="multipart"):
        await read(*[part("name=a")] * 1001)


async def test_a_text_that_is_not_in_its_charset_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="charset"):
        await read(part("name=a", b"\xff"))


async def test_headers_are_utf_8_or_the_windows_1252_of_old_browsers() -> None:
    form = await read(
        part('name="files"; filename="Müller à.md"'),
        b'Content-Disposition: form-data; name="files"; filename="M\xfcller\x80.md"\r\n\r\nx',
        b'Content-Disposition: form-data; name="gr\xf6sse"\r\n\r\nx',
        part('name="größe"'),
    )

    assert [file.filename for file in form.files] == ["Müller à.md", "Müller€.md"]
    assert list(form.fields) == ["grösse", "größe"]


@pytest.mark.parametrize("charset", ["klingon", "zip", '"a\0b"', "utf-16", "idna", "undefined"])
async def test_no_charset_breaks_the_form(charset: str) -> None:
    with pytest.raises(InvalidRequest, match="charset"):
        await read(part("name=a", b"\xff" * 99, f"Content-Type: text/plain; charset={charset}"))


async def test_half_a_character_is_no_text() -> None:
    with pytest.raises(InvalidRequest, match="charset"):
        await read(part("name=a", b"+2AA-", "Content-Type: text/plain; charset=utf-7"))


@pytest.mark.parametrize(
    "header",
    [
        b"\xff\xfe: x",
        b"Content-Disposition: x",
        b"no colon",
        b"Content-Length: -1",
        b"\x00: \x00",
        b" continued",
        b": ",
    ],
)
async def test_what_is_wrong_with_a_form_is_told_in_words(header: bytes) -> None:
    with pytest.raises(ClientException, match=r"^400: the form is no valid multipart/form-data: [\w :-]+$"):
        await read(header + b"\r\n\r\nx")
