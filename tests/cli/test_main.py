import subprocess
import sys
from types import ModuleType

import pytest
from typer.testing import CliRunner

from svsdata import __version__
from svsdata.cli.main import COMMANDS, app, load_command
from svsdata.errors import ProcessError, StoreError
from svsdata.pipelines.interrupts import nothing_kept
from svsdata.pipelines.workspace import STAGES, make_workspace


def invoke(*arguments):
    return CliRunner().invoke(app, list(arguments))


@pytest.fixture
def gate(monkeypatch):
    """Stand a command in for one that the table names."""

    def stand_in(command):
        module = ModuleType("svsdata.cli.gate")
        module.gate = command
        module.__spec__ = sys.modules[__name__].__spec__
        monkeypatch.setitem(sys.modules, "svsdata.cli.gate", module)

    return stand_in


def test_help_in_a_fresh_process_imports_nothing_heavy():
    script = (
        "import sys\n"
        "sys.argv = ['svsdata', '--help']\n"
        "from svsdata.cli.main import run\n"
        "try: run()\n"
        "except SystemExit as end: assert not end.code\n"
        "heavy = {'torch', 'transformers', 'pyarrow', 'cv2', 'av', 'numpy', 'scipy', 'click'}\n"
        "print('HEAVY', sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "HEAVY []" in done.stdout
    assert "store" in done.stdout


def test_a_mistyped_store_is_told_before_torch_is_imported():
    script = (
        "import sys\n"
        "from svsdata.cli.main import app\n"
        "words = ['train typo run', 'synthesize typo demo out', 'evaluate typo typo',\n"
        "         'evaluate-usefulness typo typo typo typo', 'gate typo', 'weights list']\n"
        "for line in words:\n"
        "    try: app(line.split())\n"
        "    except SystemExit as end: print('ENDED', line, end.code)\n"
        "print('HEAVY', sorted({'torch', 'transformers', 'scipy'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert "ENDED weights list 0" in done.stdout
    assert done.stdout.count(" 1\n") == 5
    assert done.stderr.count("typo: is no store; 'svsdata label' or 'svsdata synthesize'") == 5
    assert "HEAVY []" in done.stdout


@pytest.mark.parametrize("module", ["svsdata.cli", "svsdata.cli.main"])
def test_the_command_runs_as_a_module(module):
    done = subprocess.run([sys.executable, "-m", module, "--version"], capture_output=True)
    assert done.stdout.decode() == f"svsdata {__version__}\n"


def test_help_lists_the_commands_in_the_order_of_the_table():
    listed = [
        line.split()[0]
        for line in invoke("--help").stdout.split("Commands:")[1].splitlines()
        if line.strip()
    ]
    assert listed == [name for name in COMMANDS if name in listed]
    assert {"init", "store", "doctor"} <= set(listed)


def test_bad_input_is_one_line_on_standard_error_and_exit_code_1(tmp_path):
    done = invoke("store", "info", str(tmp_path))
    assert done.exit_code == 1
    assert done.stdout == ""
    assert done.stderr.startswith("svsdata: ")
    assert done.stderr.count("\n") == 1


def test_a_bad_input_error_of_a_command_keeps_its_words(gate):
    def command() -> None:
        raise StoreError("store 'a' is full: free 3 GB")

    gate(command)
    done = invoke("gate")
    assert (done.exit_code, done.stderr) == (1, "svsdata: store 'a' is full: free 3 GB\n")


def test_an_interrupt_is_one_line_and_exit_code_130(gate):
    def command() -> None:
        raise KeyboardInterrupt

    gate(command)
    done = invoke("gate")
    assert done.exit_code == 130
    assert done.stderr == "svsdata: interrupted; the same command goes on from here\n"


def test_of_several_processes_the_first_tells_of_an_interrupt(gate, monkeypatch):
    def command() -> None:
        raise KeyboardInterrupt

    gate(command)
    for rank, told in (
        ("0", "svsdata: interrupted; the same command goes on from here\n"),
        ("1", ""),
    ):
        monkeypatch.setenv("RANK", rank)
        done = invoke("gate")
        assert (done.exit_code, done.stderr) == (130, told)


@pytest.mark.parametrize(
    ("kind", "local_rank", "told"),
    [
        (StoreError, "0", "svsdata: no store 'a'\n"),
        (StoreError, "1", ""),
        (ProcessError, "1", "svsdata: no store 'a'\n"),
    ],
)
def test_what_all_processes_of_a_machine_find_wrong_is_told_once(
    gate, monkeypatch, kind, local_rank, told
):
    def command() -> None:
        raise kind("no store 'a'")

    gate(command)
    monkeypatch.setenv("LOCAL_RANK", local_rank)
    done = invoke("gate")
    assert (done.exit_code, done.stderr) == (1, told)


def test_an_interrupt_that_keeps_nothing_says_so(gate):
    def command() -> None:
        with nothing_kept():
            raise KeyboardInterrupt

    gate(command)
    done = invoke("gate")
    assert done.exit_code == 130
    assert done.stderr == ("svsdata: interrupted; nothing was kept, the same command begins anew\n")


def test_a_fault_of_the_program_keeps_its_traceback(gate):
    def command() -> None:
        raise ZeroDivisionError

    gate(command)
    assert isinstance(invoke("gate").exception, ZeroDivisionError)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["stor"], "Did you mean 'store'"),
        (["store", "info", "--jsn", "x"], "--jsn"),
        (["init", "a", "b"], "unexpected extra argument"),
    ],
)
def test_wrong_usage_is_exit_code_2(arguments, told):
    done = invoke(*arguments)
    assert done.exit_code == 2
    assert told in done.stderr


def test_no_arguments_show_the_help():
    assert "Commands:" in invoke().output


def test_a_function_and_an_app_are_both_commands():
    assert load_command("init").name == "init"
    assert set(load_command("store").commands) >= {"info", "verify"}


@pytest.mark.parametrize(
    ("words", "offered"), [("svsdata st", "store"), ("svsdata store ver", "verify")]
)
def test_the_shell_completes_commands(words, offered):
    done = CliRunner().invoke(
        app,
        [],
        env={
            "_SVSDATA_COMPLETE": "complete_bash",
            "COMP_WORDS": words,
            "COMP_CWORD": str(words.count(" ")),
        },
        prog_name="svsdata",
    )
    assert offered in done.stdout.split()


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_reads_its_table_of_the_workspace(stage, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with make_workspace(tmp_path).open("a") as file:
        file.write(f"\n[{stage}]\nno_such_field = 1\n")
    done = invoke(stage, *{"export": ["video"], "edit": ["plan"]}.get(stage, []))
    assert done.exit_code == 1
    assert done.stderr.startswith(f"svsdata: config of {stage}: unknown key 'no_such_field'")
