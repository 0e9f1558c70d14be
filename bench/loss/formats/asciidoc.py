"""AsciiDoc: what Asciidoctor shows is kept."""

from __future__ import annotations

from bench.loss.constructs import SHOWN, Construct, Format, text_file

_CONSTRUCTS = (
    Construct(name="title", source="= @w *@w*\n@w Berg <a@example.org>\n:name: value\n:toc:\n\n@w {name}"),
    Construct(name="section", source="== @w _@w_\n\n@w\n\n=== @w\n\n@w"),
    Construct(name="section with id", source="[[here]]\n== @w\n\n@w"),
    Construct(name="paragraph over lines", source="@w\n@w"),
    Construct(name="hard line breaks", source="@w +\n@w"),
    Construct(name="emphasis", source="*@w* _@w_ `@w` #@w# ^@w^ ~@w~"),
    Construct(name="format in a word", source="@l**@r** @l__@m__@r @l``@m``@r @l~@m~@r"),
    Construct(name="attribute", source=":price: @w\n\n@w {price} {unknown} @w", ordered=False),
    Construct(name="text of a link", source="@w https://example.org[@w @w] @w link:a.html[@w]"),
    Construct(
        name="target of a link", source="https://example.org/@w[@w] https://example.org/@w", forms=SHOWN, ordered=False
    ),
    Construct(name="cross reference", source="@w <<here,@w>> @w xref:here[@w]"),
    Construct(name="mail", source="mailto:a@example.org[@w] @w"),
    Construct(name="footnote", source="@w footnote:[@footnotes @footnotes] @w", ordered=False, anyway=True),
    Construct(name="anchor and index term", source="@w [[a1]]@w ((@w)) @w"),
    Construct(name="keyboard, button, menu", source=":experimental:\n\nkbd:[@w] btn:[@w] menu:@w[@w]", ordered=False),
    Construct(name="passthrough", source="@w +*@w*+ pass:[<u>@w</u>] @w"),
    Construct(name="escaped markup", source="\\*@w* @w"),
    Construct(name="bullet list", source="* @w\n* *@w* @w\n** @w\n*** @w\n* @w"),
    Construct(name="numbered list", source=". @w\n.. @w\n. @w"),
    Construct(name="check list", source="* [x] @w\n* [ ] @w"),
    Construct(name="paragraphs in an item", source="* @w\n+\n@w\n\n* @w"),
    Construct(name="code in an item", source="* @w\n+\n----\n@w\n----\n* @w"),
    Construct(name="definition list", source="@w:: @w\n@w::\n  @w"),
    Construct(name="table of one line a row", source="|===\n|@w |@w\n\n|@w |@w\n|@w |@w\n|==="),
    Construct(name="table of one cell a line", source='[cols="2*"]\n|===\n|@w\n|@w\n\n|@w\n|@w\n|==='),
    Construct(name="table with a title", source=".@w\n|===\n|@w |@w\n|===", ordered=False),
    Construct(
        name="spans and formats of cells", source='[cols="1,1"]\n|===\n2+|@w\n.2+|@w |@w\n|@w\nh|@w ^.>s|@w\n|==='
    ),
    Construct(name="cell of blocks", source="|===\n|@w a|\n* @w\n* @w\n|==="),
    Construct(name="repeated cell", source='[cols="3*"]\n|===\n3*|@w\n|@w |@w |@w\n|===', ordered=False),
    Construct(name="escaped bar in a cell", source="|===\n|@w \\| @w |@w\n|==="),
    Construct(name="cells without spaces", source="|===\n|@w|@w\n|a|@w\n|===", ordered=False),
    Construct(name="cell over lines", source="|===\n|@w\n@w |@w\n|==="),
    Construct(name="markup in a cell", source="|===\n|*@w* `@w` |https://example.org[@w]\n|==="),
    Construct(name="CSV in a table", source=',===\n@w,@w\n@w,"@w, @w"\n,==='),
    Construct(name="source code", source="[source,python]\n----\n@w = 1 # @w\n\n@w\n----"),
    Construct(name="literal", source="....\n@w\n....\n\n @w"),
    Construct(name="callouts", source="----\n@w // <1>\n----\n<1> @w"),
    Construct(name="admonition", source="NOTE: @w *@w*\n\n[WARNING]\n====\n@w\n===="),
    Construct(name="quote", source="[quote, @w, @w]\n____\n@w\n____", ordered=False),
    Construct(name="verse", source="[verse]\n____\n@w\n@w\n____"),
    Construct(name="example, sidebar, open block", source=".@w\n====\n@w\n====\n\n****\n@w\n****\n\n--\n@w\n--"),
    Construct(name="picture", source=".@w\nimage::a.png[@w]", forms=SHOWN, ordered=False),
    Construct(
        name="picture with attributes", source='image::a.png["@w, @w",200,title="@w"]', forms=SHOWN, ordered=False
    ),
    Construct(name="picture in a line", source="@w image:a.png[alt] @w"),
    Construct(name="math", source="[stem]\n++++\n@w\n++++\n\n@w stem:[@w] @w"),
    Construct(name="comment", source="// @x\n@w\n\n////\n@x\n////\n\n@w"),
    Construct(
        name="paragraph and block in style of a comment", source="[comment]\n@x\n\n@w\n\n[comment]\n--\n@x\n--\n\n@w"
    ),
    Construct(name="counter and attribute set in a line", source="@w {counter:n} {set:other:@w}{other} @w"),
    Construct(name="conditional", source="ifdef::unset[]\n@x\nendif::[]\nifndef::unset[]\n@w\nendif::[]"),
    Construct(name="include", source="@w\ninclude::other.adoc[]\n@w"),
    Construct(name="thematic and page break", source="@w\n\n'''\n\n@w\n\n<<<\n\n@w"),
    Construct(name="characters that are no markup", source="@w * @w 2*3*4 a_b_c < @w & @w"),
    Construct(name="entities", source="@w &amp; @w &#64; @w (C) @w"),
    Construct(name="right to left", source="@rtl @rtl"),
    Construct(name="roles", source="[.lead]\n@w [.red]#@w# @w"),
)

FORMAT = Format(
    name="asciidoc",
    filename="sample.adoc",
    constructs=_CONSTRUCTS,
    build=text_file,
    markup=r"\|===|footnote:\[|link:|xref:|<<here|ifdef::|endif::|\[\[|\[\.",
)
