"""Pieces of a line that belong together."""

from __future__ import annotations

from docling_core.types.doc.common.formatting import Formatting
from docling_core.types.doc.document import DoclingDocument
from docling_core.types.doc.items.table.table_data import TableCell, TableData
from docling_core.types.doc.labels import DocItemLabel

from services.documents.backends.base import Output
from services.documents.backends.reading import glue
from services.documents.backends.reading.glue import GLUE
from services.documents.backends.reading.rendering import render


def line(*pieces: tuple[str, bool]) -> DoclingDocument:
    """One line of pieces, each bold or not."""
    document = DoclingDocument(name="a")
    group = document.add_inline_group()
    for text, is_bold in pieces:
        formatting = Formatting(bold=True) if is_bold else None
        document.add_text(label=DocItemLabel.TEXT, text=text, parent=group, formatting=formatting)
    glue.keep_at_ends(document)
    return document


def test_a_piece_that_ends_in_glue_touches_the_next_one_in_every_form() -> None:
    document = line((f"D{GLUE}", True), ("ocument", False), ("two", True))

    assert render(document, Output.MARKDOWN) == "**D**ocument **two**"
    assert render(document, Output.TEXT) == "Document two"
    assert "<strong>D</strong>ocument <strong>two</strong>" in render(document, Output.HTML)


def test_glue_in_the_middle_of_a_piece_joins_nothing() -> None:
    document = line((f"un{GLUE}able", False), ("two", True))

    assert render(document, Output.MARKDOWN) == "unable **two**"


def test_no_form_holds_glue() -> None:
    document = line((f"a{GLUE}", True), (f"b{GLUE}", False))
    data = TableData(
        num_rows=1,
        num_cols=1,
        table_cells=[
            TableCell(
                text=f"x{GLUE}y{GLUE}",
                start_row_offset_idx=0,
                end_row_offset_idx=1,
                start_col_offset_idx=0,
                end_col_offset_idx=1,
            )
        ],
    )
    document.add_table(data=data)
    glue.keep_at_ends(document)

    forms = [glue.clean(render(document, output)) for output in Output]
    assert not any(GLUE in form for form in forms)
    assert all("xy" in form for form in forms)


def test_two_pieces_are_glued_where_nothing_stands_between_them() -> None:
    assert glue.is_glued("D", "ocument")
    assert not glue.is_glued("D ", "ocument")
    assert not glue.is_glued("D", "\u00a0ocument")
    assert not glue.is_glued("", "ocument")
