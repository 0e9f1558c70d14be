"""Which words of a file come out: our parser, Docling called directly, docling-rs.

just bench loss                       # all formats
just bench loss html docx             # these
just bench loss html --each           # a file for every construct: which one is at fault
just bench loss html --write FOLDER   # the files, and what came of them
just bench loss pdf                   # files of the others, printed by Chromium and LibreOffice, where these are there
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path

from bench.loss import pdf, systems, tables
from bench.loss.constructs import Format, samples
from bench.loss.formats import FORMATS
from bench.loss.measuring import Reading, measure
from bench.report import parser, say
from services.documents.backends.engines.local import LocalEngines

OURS = "isolane"
PDF = "pdf"


def main() -> int:
    """Run the command line; 1 when our parser loses a word in silence or leaks one."""
    arguments = _arguments()
    if arguments.formats == [PDF]:
        print(pdf.table(pdf.measure(FORMATS, LocalEngines())))
        return 0
    formats = [FORMATS[name] for name in arguments.formats or FORMATS]
    if arguments.write is not None:
        for format_ in formats:
            _write(format_, arguments.write)
        return 0
    readings = {format_.name: _measured(format_, arguments) for format_ in formats}
    for format_ in formats:
        print(tables.of_format(format_, readings[format_.name]))
        print()
    print(tables.summary(readings))
    if arguments.json is not None:
        content = {name: tables.as_json(reading) for name, reading in readings.items()}
        arguments.json.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    faults = [f"{name}: {fault}" for name, reading in readings.items() for fault in reading[OURS].faults()]
    for fault in faults:
        say(fault)
    return 1 if faults else 0


def _arguments() -> argparse.Namespace:
    arguments = parser((__doc__ or "").partition("\n")[0])
    arguments.add_argument("formats", nargs="*", metavar="FORMAT", help=f"of {', '.join(FORMATS)}")
    arguments.add_argument("--each", action="store_true", help="a file for every construct")
    arguments.add_argument("--ours", action="store_true", help="our parser alone")
    arguments.add_argument("--docling-rs", type=Path, metavar="FOLDER", help="where pip has put docling-rs")
    arguments.add_argument("--write", type=Path, metavar="FOLDER", help="write the files and answers, measure nothing")
    parsed = arguments.parse_args()
    if unknown := set(parsed.formats) - {PDF, *FORMATS}:
        arguments.error(f"no such format: {', '.join(sorted(unknown))}")
    return parsed


def _measured(format_: Format, arguments: argparse.Namespace) -> Mapping[str, Reading]:
    say(f"measuring {format_.name}")
    found = {OURS: measure(format_, systems.isolane(), each=arguments.each)}
    if not arguments.ours:
        found["docling"] = measure(format_, systems.docling, each=arguments.each, asked=())
    if arguments.docling_rs is not None:
        found["docling-rs"] = measure(format_, systems.docling_rs(arguments.docling_rs), each=arguments.each, asked=())
    return found


def _write(format_: Format, folder: Path) -> None:
    """Write each file of a format, whole and by construct, and what our parser makes of it."""
    read = systems.isolane()
    for sample in [*samples(format_), *samples(format_, each=True)]:
        names = [piece.construct.name for piece in sample.pieces]
        stem = "all" if len(names) > 1 else "".join(letter if letter.isalnum() else "-" for letter in names[0])
        path = folder / format_.name / stem / sample.filename
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(sample.data)
        try:
            answer = read(sample, None)
        except Exception as exc:  # noqa: BLE001 - written down for whoever looks
            path.with_name("refused.txt").write_text(repr(exc))
            continue
        for form, content in answer.outputs.items():
            path.with_name(f"answer.{form}").write_text(content, encoding="utf-8")
        path.with_name("errors.txt").write_text("\n".join(answer.errors), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
