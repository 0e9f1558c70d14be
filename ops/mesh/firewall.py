"""The chains that Nomad and the CNI plugins leave in iptables, and their removal without touching anybody else's."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Collection

from ops.mesh.command import run

_PROGRAMS = ("iptables", "ip6tables")
_OURS = ("CNI-", "NOMAD-")


def chains() -> list[str]:
    """The chains of CNI plugins and Nomad that there are, as "program table chain"."""
    return [
        f"{program} {table} {chain}"
        for program in _installed()
        for table, lines in _tables(program).items()
        for chain in _chains(lines)
    ]


def remove(keep: Collection[str]) -> int:
    """Remove the chains that are not in `keep`, and every rule that leads to them; returns how many there were."""
    count = 0
    for program in _installed():
        script = ""
        for table, lines in _tables(program).items():
            doomed = {chain for chain in _chains(lines) if f"{program} {table} {chain}" not in keep}
            script += _removal(table, lines, doomed)
            count += len(doomed)
        if script:
            run([f"{program}-restore", "--noflush", "--wait"], input_text=script)
    return count


def _installed() -> list[str]:
    return [program for program in _PROGRAMS if shutil.which(f"{program}-save")]


def _tables(program: str) -> dict[str, list[str]]:
    """The lines of `iptables-save`, by table."""
    tables: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in run([f"{program}-save"]).splitlines():
        if line.startswith("*"):
            lines = tables.setdefault(line[1:], [])
        else:
            lines.append(line)
    return tables


def _chains(lines: Collection[str]) -> list[str]:
    names = [line[1:].split()[0] for line in lines if line.startswith(":")]
    return [name for name in names if name.startswith(_OURS)]


def _removal(table: str, lines: Collection[str], doomed: Collection[str]) -> str:
    """Input for `iptables-restore --noflush`; empty when there is nothing to remove."""
    if not doomed:
        return ""
    rules = [line for line in lines if line.startswith("-A ")]
    leading = [rule for rule in rules if _chain(rule) not in doomed and _target(rule) in doomed]
    steps = [
        f"*{table}",
        *(f"-D {rule.removeprefix('-A ')}" for rule in leading),
        *(f"-F {chain}" for chain in doomed),
        *(f"-X {chain}" for chain in doomed),
        "COMMIT",
    ]
    return "\n".join(steps) + "\n"


def _chain(rule: str) -> str:
    return rule.split()[1]


def _target(rule: str) -> str:
    words = shlex.split(rule)  # a comment is one word, whatever it says
    return words[words.index("-j") + 1] if "-j" in words[:-1] else ""
