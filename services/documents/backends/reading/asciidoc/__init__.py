"""AsciiDoc as Asciidoctor shows it; https://docs.asciidoctor.org/asciidoc/latest/ is the language's description."""

from services.documents.backends.reading.asciidoc.blocks import read

__all__ = ["read"]
