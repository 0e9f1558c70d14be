"""CSV: every cell is text; separators and quotes as programs write them."""

from __future__ import annotations

from bench.loss.constructs import Construct, Format, text_file


def _c(name: str, source: str, *, encoding: str = "utf-8", tells: bool = False) -> Construct:
    return Construct(name=name, source=source, alone=True, encoding=encoding, tells=tells)


_CONSTRUCTS = (
    _c("commas", "@w,@w\n@w,@w\n@w,@w"),
    _c("semicolons", "@w;@w\n@w;@w\n@w;@w"),
    _c("tabs", "@w\t@w\n@w\t@w\n@w\t@w"),
    _c("bars", "@w|@w\n@w|@w\n@w|@w"),
    _c("quoted cells", '"@w","@w, @w"\n"@w","@w"'),
    _c("quotes in a cell", '"@w ""@w"" @w",@w\n@w,@w'),
    _c("quotes behind backslashes", '"@w \\"@w, @w\\" @w",@w\n@w,@w'),
    _c("quotes behind spaces", '@w, "@w, @w"\n@w, "@w"'),
    _c("page break in a cell", "@w \x0c@w,@w\n@w,@w"),
    _c("line break in a cell", '"@w\n@w",@w\n@w,@w'),
    _c("spaces around", "@w, @w\n @w ,@w"),
    _c("empty cells", "@w,,@w\n,@w,\n@w,@w,@w"),
    _c("empty lines", "@w,@w\n\n@w,@w\n\n"),
    _c("ragged rows", "@w,@w\n@w\n@w,@w,@w,@w"),
    _c("one column", "@w\n@w\n@w"),
    _c("one cell", "@w"),
    _c("one row", "@w,@w,@w"),
    _c("sep= of Excel", "sep=;\n@w;@w\n@w;@w"),
    _c("decimal commas", "@w;1,5\n@w;2,25\n@w;3,125"),
    _c("bar in a cell", '"@w | @w",@w\n@w,@w'),
    _c("text that is markup", "<em>@w</em>,**@w**\n# @w,&amp;@w"),
    _c("comment lines are rows", "# @w,@w\n@w,@w"),
    _c("equal headers", "a,a\n@w,@w"),
    _c("right to left", "@rtl,@w\n@rtl,@w"),
    _c("lines of Windows", "@w,@w\r\n@w,@w\r\n"),
    _c("lines of old Macs", "@w,@w\r@w,@w\r"),
    _c("byte-order mark", "\ufeff@w,é\n@w,@w"),
    _c("UTF-16", "@w,é\n@w,@w\n", encoding="utf-16"),
    _c("Windows-1252", "@w,Grüße\n@w,@w\n", encoding="cp1252", tells=True),
    _c("Shift-JIS", "@w,これは日本語の文章です\n@w,よろしくお願いします\n", encoding="shift_jis", tells=True),
    _c("a quote that never closes", '@w,"@w\n@w,@w\n'),
)

FORMAT = Format(name="csv", filename="sample.csv", constructs=_CONSTRUCTS, build=text_file)
