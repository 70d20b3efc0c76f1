import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import typer
from markdown_pages import PAGES, ROOT, blocks, is_example, missing_lines, write_project

import forcegauge
from forcegauge.cli.main import app
from forcegauge.models.registry import Entry

COMMAND = typer.main.get_command(app)
ALL_TEXT = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
COMMANDS = [
    pytest.param(command, id=f"{page.name}:{block.line}:{number}")
    for page in PAGES
    for block in blocks(page)
    for number, command in enumerate(block.commands)
]


def names(pages):
    return [page.name for page in pages]


def leaves(command, words=()):
    """Every verb with the words that lead to it."""
    if not hasattr(command, "commands"):
        return {words: command}
    found = {}
    for name, child in command.commands.items():
        found |= leaves(child, (*words, name))
    return found


VERBS = leaves(COMMAND)
RUNNABLE = [page for page in PAGES if any(is_example(block) for block in blocks(page))]


@pytest.mark.parametrize("page", RUNNABLE, ids=names(RUNNABLE))
def test_examples_run_and_print_what_the_page_shows(page, tmp_path):
    folder = tmp_path / "project"
    folder.mkdir()
    python = write_project(page, folder)
    clean = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "FORCEGAUGE_MIRROR")}
    done = subprocess.run(
        [python, Path(__file__).with_name("run_page.py"), page],
        cwd=folder,
        env={**clean, **({"FORCEGAUGE_MIRROR": "mirror"} if (folder / "mirror").exists() else {})},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_are_known(command):
    """Each command parses, whether it is run or not: its verb, options and numbers of arguments exist."""
    words = command.words
    if words[0] == "make":
        targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
        assert {word for word in words[1:] if "=" not in word} <= targets
    if words[0] != "forcegauge":
        return
    arguments, node = words[1:], COMMAND
    if arguments in (["--help"], ["--version"]):
        return
    while hasattr(node, "commands"):
        node = node.commands[arguments.pop(0)]
    if "--help" not in arguments:
        node.make_context(node.name, list(arguments)).close()


def test_the_check_of_output_can_fail():
    assert missing_lines(("2 cases", "lennard-jones 1 ..."), "3  cases\nlennard-jones  7 8") == []
    assert missing_lines(("2 cases", "left 1"), "3 cases\nright 1\n") == ["left 1"]


def test_every_verb_and_option_is_explained():
    page = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
    missing = [" ".join(words) for words in VERBS if f"`forcegauge {' '.join(words)}`" not in page]
    options = {
        option
        for verb in VERBS.values()
        for parameter in verb.params
        for option in parameter.opts
        if option.startswith("--")
    }
    assert missing + sorted(option for option in options - {"--help"} if f"`{option}" not in page) == []


def test_every_public_name_is_on_a_page():
    assert [name for name in forcegauge.__all__ if f"forcegauge.{name}" not in ALL_TEXT] == []


def test_make_targets_of_the_text_exist():
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    named = set(re.findall(r"(?:`|^    )make (\w+)", ALL_TEXT, re.MULTILINE))
    assert named >= {"run", "test", "check"}
    assert named <= set(targets)


@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_links_inside_the_project_resolve(page):
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith(("https://", "http://")):
            continue
        file, _, anchor = target.partition("#")
        path = (page.parent / file).resolve() if file else page
        if not path.exists() or (anchor and anchor not in anchors(path)):
            broken.append(target)
    assert broken == []


def anchors(path):
    """Headings as the usual renderers turn them into targets of links."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_page_is_in_the_index():
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    pages = {page.name for page in (ROOT / "docs").glob("*.md")} - {"README.md"}
    assert [name for name in pages if f"({name})" not in index] == []


def test_the_registry_entry_of_the_page_is_a_card():
    entries = [block for block in blocks(ROOT / "docs" / "add-a-model.md") if "adapter =" in block.text]
    assert len(entries) == 1
    for name, card in tomllib.loads(entries[0].text).items():
        assert Entry(name=name, **card).spec()["adapter"] == "einstein"


def test_the_picture_of_the_report_is_small_enough_to_load():
    assert 20_000 < (ROOT / "docs" / "images" / "report.png").stat().st_size < 400_000
