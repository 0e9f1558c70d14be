"""WebVTT: cues as a browser shows them."""

from __future__ import annotations

from collections.abc import Sequence

from bench.loss.constructs import SHOWN, Construct, Format, Piece

_CUES = (
    ("cue", "@w @w"),
    ("cue of lines", "@w\n@w"),
    ("bare &", "@w & @w, R&D @w"),
    ("bare < and >", "@w < @w > @w"),
    ("arrow in the text", "-> @w\n@w - @w"),
    ("entities", "@w &amp; @w &lt;@w&gt; &nbsp;@w &lrm;@w"),
    ("unknown entity", "@w &copy; @w &zzz; @w"),
    ("bold half of a word", "@l<b>@r</b> <i>@l</i>@r"),
    ("formats in the middle of a word", "@l<i>@m</i>@r @l<u>@m</u>@r @l<b>@m</b>@r"),
    ("class", "@l<c.loud>@r</c> <c.loud.red>@w</c>"),
    ("language", "@w <lang de>@w</lang> @w"),
    ("ruby", "@w <ruby>@w<rt>@w</rt></ruby> @w"),
    ("timestamps between words", "@w<00:00:01.000> @w<00:00:02.000><c> @w</c>"),
    ("timestamp in a word", "@l<00:00:01.000>@r @w"),
    ("unclosed tag", "<b>@w <i>@w"),
    ("tag that never ends", "@w @w <b"),
    ("unknown tag", "@w <font color=red>@w</font> @w"),
    ("text of a voice", "<v Ann>@w @w</v>"),
    ("two voices in a cue", "<v Ann>@w</v>\n<v Bob>@w</v>"),
    ("voice that is not closed", "<v Ann>@w @w"),
    ("text like Markdown", "# @w *@w* - @w"),
    ("right to left", "@rtl @rtl"),
    ("dialogue", "- @w\n- @w"),
    ("stars and notes", "♪ @w ♪ [@w] (@w)"),
)


def _cue(name: str, text: str) -> Construct:
    return Construct(name=name, source=f"00:00:01.000 --> 00:00:02.000\n{text}")


_CONSTRUCTS = (
    *(_cue(name, text) for name, text in _CUES),
    Construct(name="name of a voice", source="00:00:01.000 --> 00:00:02.000\n<v @w>@w</v>", forms=SHOWN, ordered=False),
    Construct(name="line of spaces in a cue", source="00:01.000 --> 00:02.000\n \n@w\n \n@w"),
    Construct(name="identifier", source="intro 1\n00:00:01.000 --> 00:00:02.000\n@w"),
    Construct(name="settings", source="00:00:01.000 --> 00:00:02.000 align:start position:0%\n@w"),
    Construct(name="hours and none", source="01:00:01.000 --> 01:00:02.000\n@w\n\n00:01.000 --> 00:02.000\n@w"),
    Construct(
        name="hours of one or three digits",
        source="1:00:01.000 --> 1:00:02.000\n@w\n\n100:00:01.000 --> 100:00:02.000\n@w",
    ),
    Construct(name="tabs around the arrow", source="00:00:01.000\t-->\t00:00:02.000\n@w"),
    Construct(
        name="cue without an empty line before",
        source="00:00:01.000 --> 00:00:02.000\n@w\n00:00:03.000 --> 00:00:04.000\n@w",
    ),
    Construct(name="note", source="NOTE @x\n\nNOTE\n@x\n@x"),
    Construct(name="style", source="STYLE\n::cue { color: @x }"),
    Construct(
        name="header's text", source="00:00:01.000 --> 00:00:02.000\n@w", alone=True, parts={"head": "\nKind: @x"}
    ),
    Construct(name="byte-order mark", source="00:00:01.000 --> 00:00:02.000\n@w é", alone=True, encoding="utf-8-sig"),
    Construct(name="lines of Windows", source="00:00:01.000 --> 00:00:02.000\r\n@w\r\n@w\r\n", alone=True),
)


def _file(pieces: Sequence[Piece]) -> bytes:
    head = pieces[0].parts.get("head", "")
    text = "\n\n".join([f"WEBVTT{head}", *(piece.source for piece in pieces)]) + "\n"
    return text.encode(pieces[0].construct.encoding)


FORMAT = Format(name="vtt", filename="sample.vtt", constructs=_CONSTRUCTS, build=_file, markup=r"</?[bciuv][.>]|<\d\d:")
