"""Runs the examples of one page from top to bottom, as a reader would; exit code 1 with the place of what fails."""

from __future__ import annotations

import contextlib
import io
import sys
import traceback
from pathlib import Path

from markdown_pages import Command, blocks, missing_lines

from forcegauge.cli.main import main


def run_page(page: Path) -> list[str]:
    complaints = []
    namespace = {"__name__": "page"}
    for block in blocks(page):
        where = f"{page.name}:{block.line}"
        if block.language == "python" and not block.file:
            try:
                exec(compile(block.text, where, "exec"), namespace)
            except Exception:
                complaints.append(f"{where}\n{traceback.format_exc()}")
        elif block.is_run:
            complaints += [f"{where}: {text}" for command in block.commands for text in check(command)]
    return complaints


def check(command: Command) -> list[str]:
    if command.words[0] != "forcegauge":
        return []
    printed = io.StringIO()
    sys.argv = command.words
    code: object = 0
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        try:
            main()
        except SystemExit as stop:
            code = stop.code or 0
    expected = 2 if any(line.startswith("forcegauge: ") for line in command.shown) else 0
    if code != expected:
        return [f"{command.text}: exit code {code}, expected {expected}\n{printed.getvalue()}"]
    missing = missing_lines(command.shown, printed.getvalue())
    return [f"{command.text}: does not print\n  {line}\nbut\n{printed.getvalue()}" for line in missing[:1]]


if __name__ == "__main__":
    found = run_page(Path(sys.argv[1]))
    print("\n".join(found))
    sys.exit(bool(found))
