"""Plain text: every character is text, whatever it looks like."""

from __future__ import annotations

from bench.loss.constructs import Construct, Format, text_file


def _encoded(encoding: str, text: str = "@w Grüße @w", *, tells: bool = False) -> Construct:
    return Construct(name=f"encoded as {encoding}", source=text, alone=True, encoding=encoding, tells=tells)


_CONSTRUCTS = (
    Construct(name="paragraph", source="@w @w."),
    Construct(name="paragraph over lines", source="@w\n@w\n  @w"),
    Construct(name="text like a heading", source="# @w\n\n@w\n====\n\n= @w"),
    Construct(name="text like a list", source="- @w\n* @w\n1. @w\n+ @w"),
    Construct(name="text like emphasis", source="*@w* **@w** _@w_ ~~@w~~ `@w`"),
    Construct(name="text like tags", source="<em>@w</em> <@w> <!-- @w -->"),
    Construct(name="text like a table", source="| @w | @w |\n|---|---|\n| @w | @w |"),
    Construct(name="text like a link", source="[@w](@w) ![@w](@w) [@w]: @w"),
    Construct(name="text like a quote", source="> @w\n>> @w"),
    Construct(name="text like code", source="    @w\n\n```\n@w\n```"),
    Construct(name="text like front matter", source="---\ntitle: @w\n---\n@w"),
    Construct(name="text like an entity", source="@w &amp; @w &lt;@w&gt; &#64; @w"),
    Construct(name="text like LaTeX", source="\\textbf{@w} $@w$ % @w"),
    Construct(name="tabs, form feed, no-break space", source="@w\t@w\f@w\u00a0@w"),
    Construct(name="right to left", source="@rtl @rtl (@w)"),
    Construct(name="marks of direction", source="@w \u202b@rtl\u202c @w\u200f @w"),
    Construct(name="word beside punctuation", source="(@w)/@w-@w: @w; '@w'"),
    Construct(name="address and mail", source="https://example.org/@w?a=@w&b=@w <@w@example.org>"),
    Construct(name="lines of Windows and old Macs", source="@w\r\n\r\n@w\r@w"),
    Construct(name="last line without an end", source="@w"),
    Construct(name="byte-order mark", source="\ufeff@w é", alone=True),
    _encoded("utf-16"),
    _encoded("utf-32"),
    _encoded("cp1252", tells=True),
    _encoded("cp1251", "@w Привет, как дела, мир и все люди на свете @w", tells=True),
    _encoded("shift_jis", "@w これは日本語の文章です。よろしくお願いします。 @w", tells=True),
)

FORMAT = Format(name="txt", filename="sample.txt", constructs=_CONSTRUCTS, build=text_file)
