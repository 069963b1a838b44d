"""The documentation cannot lie: pages about commands and configs are what the code says.

docs/commands/ and docs/configs/ are written by ``python tests/test_docs.py``. The tests compare
them with the code, so no option and no field comes or goes unnoticed: what few people type every
day belongs into a config, where ``--set`` reaches it.
"""

import re
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from svsdata.cli.main import COMMANDS, load_command

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
PRESENT = [name for name in COMMANDS if find_spec(f"svsdata.cli.{name.replace('-', '_')}")]
STAGES = sorted(
    path.stem
    for path in (ROOT / "pipelines" / "configs").glob("*.py")
    if path.stem not in {"__init__", "base"}
)
REWRITE = "the page is old: run 'python tests/test_docs.py' and read what it changed"


def leaves(command, path: str) -> list[tuple[str, object]]:
    """List the commands that can be called under a command, with what is typed for them."""
    inner = getattr(command, "commands", {})
    own = [(path, command)] if not inner or command.invoke_without_command else []
    return own + [leaf for name, it in inner.items() for leaf in leaves(it, f"{path} {name}")]


def row(*cells: str) -> str:
    inner = [" ".join(cell.split()).replace("|", r"\|").replace("``", "`") for cell in cells]
    return f"| {' | '.join(inner)} |"


def command_page(name: str) -> str:
    lines = [f"# svsdata {name}"]
    for path, command in leaves(load_command(name), f"svsdata {name}"):
        if path != f"svsdata {name}":
            lines += ["", f"## {path}"]
        text, *examples = command.help.split("Example:")
        lines += ["", text.strip(), "", "```bash", *(" ".join(it.split()) for it in examples)]
        lines += ["```", ""]
        lines += [row("argument or option", "meaning"), row("---", "---")]
        for param in command.params:
            lines.append(row(spelling(param), param.help + default(param)))
    return "\n".join(lines) + "\n"


def spelling(param) -> str:
    if param.param_type_name == "argument":
        return f"`{param.name.upper()}`" if param.required else f"`[{param.name.upper()}]`"
    return ", ".join(f"`{word}`" for word in [*param.opts, *param.secondary_opts])


def default(param) -> str:
    if param.required or param.default in (None, False, "", Path()):
        return ""
    return f" Default: `{param.default}`."


def config_of(stage: str) -> type[BaseModel]:
    name = "".join(word.capitalize() for word in stage.split("_")) + "Config"
    return getattr(import_module(f"svsdata.pipelines.configs.{stage}"), name)


def config_page(stage: str) -> str:
    kind = config_of(stage)
    lines = [f"# Config of {stage}", "", " ".join((kind.__doc__ or "").split()), ""]
    lines += [row("field", "type", "default", "meaning"), row("---", "---", "---", "---")]
    return "\n".join([*lines, *(field_row(*it) for it in leaf_fields(kind).items())]) + "\n"


def leaf_fields(kind: type[BaseModel], prefix: str = "") -> dict[str, FieldInfo]:
    """Return the fields of a config, those of nested records by their dotted names."""
    fields = {}
    for name, field in kind.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            fields |= leaf_fields(field.annotation, f"{prefix}{name}.")
        else:
            fields[prefix + name] = field
    return fields


def field_row(name: str, field: FieldInfo) -> str:
    kind = field.annotation
    told = kind.__name__ if isinstance(kind, type) else str(kind)
    told = re.sub(r"\b(?:\w+\.)+(\w+)", r"\1", told)
    return row(f"`{name}`", f"`{told}`", shown_default(field), field.description or "")


def shown_default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    text = repr(field.get_default(call_default_factory=True))
    return f"`{text}`" if len(text) <= 80 else "see the code"


def anchors(text: str) -> set[str]:
    """Return the anchors that GitHub gives to a page's headings."""
    headings = re.findall(
        r"^#+ (.+)$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.MULTILINE
    )
    return {re.sub(r"[^\w\- ]", "", it.lower()).replace(" ", "-") for it in headings} | set(
        re.findall(r'<a (?:id|name)="([^"]+)"', text)
    )


def links(page: Path) -> list[str]:
    prose = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    targets = re.findall(r"\]\(([^)\s]+)\)|<img[^>]+src=\"([^\"]+)\"", prose)
    return [markdown or image for markdown, image in targets]


def written_pages() -> dict[Path, str]:
    """Return every page that the code writes."""
    commands = [f"- [`{name}`]({name}.md): {COMMANDS[name]}" for name in PRESENT]
    configs = [f"- [{stage}]({stage}.md)" for stage in STAGES]
    return {
        DOCS / "commands" / "README.md": "\n".join(["# Commands", "", *commands]) + "\n",
        **{DOCS / "commands" / f"{name}.md": command_page(name) for name in PRESENT},
        DOCS / "configs" / "README.md": "\n".join(["# Configs", "", *configs]) + "\n",
        **{DOCS / "configs" / f"{stage}.md": config_page(stage) for stage in STAGES},
    }


def test_the_pages_of_commands_and_configs_are_what_the_code_says():
    written = written_pages()
    there = [*(DOCS / "commands").iterdir(), *(DOCS / "configs").iterdir()]
    assert sorted(there) == sorted(written), REWRITE
    for page, text in written.items():
        assert page.read_text(encoding="utf-8") == text, REWRITE


@pytest.mark.parametrize("name", PRESENT)
def test_every_command_and_option_has_help_and_every_command_an_example(name):
    for path, command in leaves(load_command(name), name):
        assert command.help, path
        assert f"Example: svsdata {path}" in " ".join(command.help.split()), path
        for param in command.params:
            assert param.help, f"{path} {param.name}"


@pytest.mark.parametrize("stage", STAGES)
def test_every_field_of_a_config_says_what_it_means(stage):
    assert [name for name, it in leaf_fields(config_of(stage)).items() if not it.description] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page):
    for link in links(page):
        if re.match(r"[a-z]+:", link):
            continue
        target, _, anchor = link.partition("#")
        file = (page.parent / target).resolve() if target else page
        assert file.exists(), f"{link} leads nowhere"
        assert file.is_relative_to(ROOT), f"{link} leads out of the repository"
        if anchor and file.suffix == ".md":
            assert anchor in anchors(file.read_text(encoding="utf-8")), f"{link}: no such heading"


@pytest.mark.parametrize("page", [p for p in PAGES if p.parent == DOCS], ids=lambda page: page.name)
def test_every_page_is_reached_from_the_index(page):
    assert page.name == "index.md" or page.name in links(DOCS / "index.md")


if __name__ == "__main__":
    for folder in ("commands", "configs"):
        for stale in (DOCS / folder).glob("*.md"):
            stale.unlink()
    for page, text in written_pages().items():
        page.write_text(text, encoding="utf-8")
