"""Markdown: CommonMark with GitHub's tables, task lists and strikethrough, front matter and math."""

from __future__ import annotations

from bench.loss.constructs import SHOWN, Construct, Format, text_file

_CONSTRUCTS = (
    Construct(name="heading", source="# @w *@w*", md="# @1"),
    Construct(name="heading with underline", source="@w @w\n====="),
    Construct(name="heading with closing marks", source="## @w ##"),
    Construct(name="paragraph over lines", source="@w\n@w"),
    Construct(name="hard line breaks", source="@w  \n@w\\\n@w"),
    Construct(name="emphasis", source="*@w* **@w** ***@w*** _@w_ ~~@w~~"),
    Construct(name="bold half of a word", source="@w **@l**@r @l**@r** @l*@m*@r"),
    Construct(name="code in a line", source="@w `@w` ``a ` @w``"),
    Construct(name="code half of a word", source="`@l`@r @l`@r`"),
    Construct(name="link", source="@w [@w **@w**](https://example.org/@w) @w", forms=SHOWN, ordered=False),
    Construct(name="text of a link", source="@w [@w *@w*](https://example.org) @w"),
    Construct(name="link half of a word", source="[@l](https://example.org)@r"),
    Construct(name="link by reference", source="@w [@w][ref] @w [ref]\n\n[ref]: https://example.org 'T'"),
    Construct(name="automatic links", source="<https://example.org/@w> https://example.org/@w @w"),
    Construct(name="picture", source="![@w](https://example.org/a.png)", forms=SHOWN),
    Construct(name="text beside a picture", source="@w ![a](https://example.org/a.png) @w"),
    Construct(
        name="picture in a link", source="[![@w](https://example.org/b.png)](https://example.org) @w", forms=SHOWN
    ),
    Construct(name="bullet list", source="- @w\n- **@w** @w\n- @l**@r**"),
    Construct(name="nested list", source="- @w\n  - @w\n    1. @w\n- @w"),
    Construct(name="numbered list from a number", source="7. @w\n8. @w"),
    Construct(name="paragraphs in an item", source="- @w\n\n  @w\n\n- @w"),
    Construct(name="code in an item", source="- @w\n\n  ```\n  @w\n  ```\n\n- @w"),
    Construct(name="quote in an item", source="- @w\n\n  > @w"),
    Construct(name="table in an item", source="- @w\n\n  | a | b |\n  |---|---|\n  | @w | @w |"),
    Construct(name="task list", source="- [x] @w\n- [ ] @w", md="- [x] @1\n- [ ] @2"),
    Construct(name="quote", source="> @w\n> *@w*\n>\n> @w"),
    Construct(name="quoted list", source="> @w\n>\n> - @w\n>   - @w"),
    Construct(name="nested quote", source="> @w\n>\n>> @w"),
    Construct(name="quoted code", source="> ```\n> @w\n> ```"),
    Construct(name="table", source="| @w | @w |\n|---|---|\n| @w | @w |"),
    Construct(
        name="table with formats", source="| a | b |\n|---|---|\n| **@w** `@w` | [@w](https://example.org) @l*@r* |"
    ),
    Construct(name="table with escaped bars", source="| a | b |\n|---|---|\n| @w \\| @w | `x\\|@w` |"),
    Construct(name="ragged table", source="| @w | @w |\n|---|---|\n| @w |\n| @w | @w | y |"),
    Construct(name="table without outer bars", source="@w | @w\n--- | ---\n@w | @w"),
    Construct(name="line break in a cell", source="| a | b |\n|---|---|\n| @w<br>@w | @w |"),
    Construct(name="fenced code", source="```python\n@w = 1  # @w\n\n@w\n```", md="```python\n@1"),
    Construct(name="indented code", source="    @w\n\n    @w"),
    Construct(name="tags in code", source="```html\n<b>@w</b>\n```\n\n`<i>@w</i>`"),
    Construct(name="math in a line", source="@w $x_1 + @w$ @w", md="$x_1 + @2$"),
    Construct(name="math in a block", source="$$\n\\text{@w}\n+ \\int @w\n$$"),
    Construct(
        name="math in LaTeX's brackets", source="@w \\(x_1 + @w\\) @w\n\n\\[\n\\text{@w} \\\\\n\\]", md="$x_1 + @2$"
    ),
    Construct(name="environment of LaTeX", source="\\begin{align}\na_1 &= @w \\\\\n\\end{align}"),
    Construct(name="alert", source="> [!NOTE]\n> @w *@w*", md="> [!NOTE]\n"),
    Construct(name="note of a site", source='!!! tip "@w"\n    @w *@w*\n\n    - @w\n\n@w'),
    Construct(name="container", source=":::tip @w\n@w\n:::\n@w"),
    Construct(name="note below its mark", source="@w[^2]\n\n[^2]:\n    @w", ordered=False),
    Construct(name="dollars that are no math", source="@w costs $5 and @w $6"),
    Construct(name="escaped characters", source="@w \\*@w\\* \\_@w\\_ \\# @w"),
    Construct(name="characters that are no markup", source="@w * @w 2*3*4 @w a_b_c < @w & @w > 7"),
    Construct(name="entities", source="@w &amp; @w&nbsp;@w &copy; &#64; @w"),
    Construct(name="inline HTML", source="@w <b>@w</b> @l<sub>@r</sub> <span>@w</span>"),
    Construct(name="HTML block", source='<div align="center">\n<p>@w</p>\n@w\n</div>'),
    Construct(name="details", source="<details><summary>@w</summary>\n\n@w\n\n</details>"),
    Construct(name="HTML table", source="<table><tr><td>@w</td><td>@w</td></tr></table>"),
    Construct(name="HTML comment", source="@w <!-- @x --> @w\n\n<!-- @x -->\n\n@w"),
    Construct(name="thematic break", source="@w\n\n***\n\n@w"),
    Construct(name="definition list", source="@w\n: @w"),
    Construct(name="footnote", source="@w[^1] @w\n\n[^1]: @w", ordered=False),
    Construct(name="right to left", source="@rtl @rtl **@rtl**\n\n- @rtl"),
    Construct(name="half-bold right to left", source="@w **@rtl** @w"),
    Construct(name="front matter", source="---\ntitle: @w\ntags: [@w, b]\n---\n\n# @w", alone=True),
    Construct(name="front matter in TOML", source='+++\ntitle = "@w"\n+++\n\n@w', alone=True),
    Construct(name="byte-order mark", source="\ufeff# @w\n\n@w", alone=True),
    Construct(name="UTF-16", source="# @w\n\n@w é", alone=True, encoding="utf-16"),
    Construct(name="empty lines of Windows", source="# @w\r\n\r\n@w\r\n- @w\r\n", alone=True),
)

FORMAT = Format(name="md", filename="sample.md", constructs=_CONSTRUCTS, build=text_file)
