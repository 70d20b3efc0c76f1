"""The pages of the documentation as the tests see them: blocks, commands, links, and the projects that they write."""

from __future__ import annotations

import re
import shlex
import sysconfig
import tomllib
import venv
from dataclasses import dataclass
from pathlib import Path

import forcegauge
from forcegauge.models import registry
from forcegauge.models.environments import CORE

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]

_BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_NUMBER = re.compile(r"[-+−]?\d[\d.]*(e[-+]\d+)?")


@dataclass(frozen=True)
class Command:
    """A line after ``$`` and the output shown below it."""

    text: str
    shown: tuple[str, ...]

    @property
    def words(self) -> list[str]:
        return shlex.split(self.text, comments=True)


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the word after that (``file=NAME`` or ``parse-only``), its text."""

    language: str
    note: str
    text: str
    line: int

    @property
    def file(self) -> str | None:
        return self.note.removeprefix("file=") if self.note.startswith("file=") else None

    @property
    def commands(self) -> list[Command]:
        found: list[tuple[str, list[str]]] = []
        for line in self.text.splitlines() if self.language == "console" else ():
            if line.startswith("$ "):
                found.append((line[2:], []))
            elif found and line:
                found[-1][1].append(line)
        return [Command(text, tuple(shown)) for text, shown in found]

    @property
    def is_run(self) -> bool:
        """Whether its commands need neither a network nor a model that has to be installed first."""
        big = [name for name in registry.names() if registry.get(name).environment != CORE]
        return self.note != "parse-only" and not any(name in self.text for name in big)


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [
        Block(match[1], match[2] or "", match[3], text.count("\n", 0, match.start()) + 1)
        for match in _BLOCK.finditer(text)
    ]


def is_example(block: Block) -> bool:
    return bool(block.file) or block.language == "python" or (block.is_run and any(block.commands))


def missing_lines(shown: tuple[str, ...], printed: str) -> list[str]:
    """Lines of a page that the command did not print; numbers, spacing and what ``...`` leaves out do not count."""
    real = [_shape(line) for line in printed.splitlines()]
    return [line for line in shown if not any(found.startswith(_shape(line)) for found in real)]


def _shape(line: str) -> str:
    return _NUMBER.sub("#", " ".join(line.split("...")[0].split()))


def write_project(page: Path, folder: Path) -> Path:
    """Write the files of a page into a folder, install what they declare, and return the interpreter that sees it all.

    The folder is on the path of a fresh environment as an installed package is; the entry points of its
    ``pyproject.toml`` are real ones.
    """
    for block in blocks(page):
        if block.file:
            path = folder / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
    if (folder / "pyproject.toml").exists():
        _declare(tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"], folder)
    home = folder / ".venv"
    venv.create(home, with_pip=False, symlinks=True)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(home), "platbase": str(home)}))
    source = Path(forcegauge.__file__).parents[1]
    seen = [sysconfig.get_path("purelib"), str(source), str(folder)]
    (site / "page.pth").write_text("\n".join(seen), encoding="utf-8")
    return home / "bin" / "python"


def _declare(project: dict, folder: Path) -> None:
    name, version = project["name"], project["version"]
    about = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", encoding="utf-8")
    points = [
        f"[{group}]\n" + "".join(f"{key} = {target}\n" for key, target in targets.items())
        for group, targets in project["entry-points"].items()
    ]
    (about / "entry_points.txt").write_text("\n".join(points), encoding="utf-8")
