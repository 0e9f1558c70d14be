"""The loss meter: which words of a file come out, where and in which order, and what comes out that should not.

For every format `formats/` has a table of constructs, each a piece of a file in which every word is unique. The files
made of them are parsed by us, by Docling called directly and, where it is there, by docling-rs.
"""
