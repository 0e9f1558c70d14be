"""JATS articles, whole: https://jats.nlm.nih.gov/archiving/tag-library/1.3/ describes the elements."""

from services.documents.backends.reading.jats.article import read

__all__ = ["read"]
