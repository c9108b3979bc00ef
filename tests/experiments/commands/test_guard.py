"""Whatever goes wrong at the edge is one line and an exit code."""

from __future__ import annotations

import errno
import os
import re
import stat
import subprocess
import sys
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from erasurehead.experiments.commands.cli import guarded
from tests.tools import inside

ROOT = Path(__file__).parents[3]
CONFIG = """
name: small
workers: 2
iterations: 2
delay: {model: exponential, rate: 1.0}
schemes: [{name: uncoded}]
"""


def erasurehead(
    *arguments: object, folder: Path, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "experiments", *map(str, arguments)],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | (env or {}),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def failing(error: BaseException) -> Callable[[], None]:
    def command() -> None:
        raise error

    return command


def test_a_command_that_works_gives_its_code() -> None:
    assert guarded(lambda: None) == 0
    assert guarded(lambda: 1) == 1


MEMORY = "not enough memory"
MINE: list[tuple[Exception, str]] = [
    (PermissionError(errno.EACCES, "Permission denied", "a.csv"), "a.csv: Permission denied"),
    (OSError(errno.ENAMETOOLONG, "File name too long", "x" * 5000), "File name too long"),
    (IsADirectoryError(errno.EISDIR, "Is a directory", b"folder"), "folder: Is a directory"),
    (OSError(errno.ENOSPC, "No space left on device"), "TMPDIR"),
    (MemoryError(), MEMORY),
    (MemoryError("Unable to allocate 7.45 TiB"), f"{MEMORY} (Unable to allocate 7.45 TiB)"),
    (OSError(errno.ENOMEM, "Cannot allocate memory"), MEMORY),
    (RuntimeError("can't start new thread"), MEMORY),
    (ImportError("x.so: failed to map segment from shared object"), MEMORY),
]


@pytest.mark.parametrize(("error", "text"), MINE, ids=lambda value: str(value)[:40])
def test_what_the_user_can_mend_is_bad_input(
    error: Exception, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert guarded(failing(error)) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert text in said
    assert said.count("\n") == 1
    assert len(said) <= 301


def test_anything_else_is_a_fault_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line on the terminal, and the traceback in a file of the user alone."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert guarded(failing(IndexError("a\x1b[31mb\n\ud800" + "long" * 200))) == 70
    said = capsys.readouterr().err
    found = re.fullmatch(
        r"internal error: IndexError: a\\x1b\[31mb\\n\\ud800.*"
        r" \(details in (\S+); please report\)\n",
        said,
    )
    assert found
    assert len(said) <= 301
    file = Path(found[1])
    assert file.parent == tmp_path / "erasurehead"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    details = file.read_text()
    assert "Traceback" in details
    assert "in failing" in details or "in command" in details
    assert repr(sys.argv[0]) in details


def test_a_folder_for_details_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert guarded(failing(IndexError("x"))) == 70
    assert f"(details in {tmp_path}/error-" in capsys.readouterr().err
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "file"))
    assert guarded(failing(IndexError())) == 70
    text = "internal error: IndexError (run it again with --debug for details; please report)\n"
    assert capsys.readouterr().err == text


def test_debug_shows_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert guarded(failing(IndexError("a\x1bb")), debug=True) == 70
    said = capsys.readouterr().err
    assert "Traceback (most recent call last)" in said
    assert "\x1b" not in said
    assert said.splitlines()[-1].startswith("internal error: ")


def test_debug_is_understood_in_any_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    words = ["list", "nothing"]
    for place in range(len(words) + 1):
        done = inside(*words[:place], "--debug", *words[place:])
        assert done.returncode == 2
        assert "Traceback (most recent call last)" in done.stderr, place
    assert "Traceback" not in inside(*words).stderr


def test_a_warning_of_a_library_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    def command() -> None:
        warnings.simplefilter("always")
        warnings.warn("Glyph 1\n missing\x07", UserWarning, stacklevel=1)

    assert guarded(command) == 0
    assert capsys.readouterr().err == "warning: Glyph 1 missing\\x07\n"


def test_interrupts_and_exits_pass() -> None:
    for error in (KeyboardInterrupt, SystemExit):
        with pytest.raises(error):
            guarded(failing(error()))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("run", "error: Missing argument 'CONFIG.yaml' (see "),
        (
            "run x.yaml --jbs 3",
            (
                "error: No such option: --jbs ",
                "error: No such option '--jbs'",
            ),
        ),
        ("sweep x.yaml --jobs 0", "error: --jobs: must be a whole number from 1 to 1024, not 0 ("),
        ("sweep x.yaml --jobs 1000000", "error: --jobs: must be a whole number from 1 to 1024"),
        (
            "sweep x.yaml --jobs two",
            "error: --jobs: must be a whole number from 1 to 1024, not two",
        ),
        ("verify --replications 10", "error: --replications: must be a whole number from 1000 to"),
        (f"verify --replications {10**30}", "error: --replications: must be a whole number"),
        (f"verify --seed {'9' * 9999}", "error: --seed: must be a whole number"),
        ("verify --engine gpu", "error: --engine: 'gpu' is not one of 'batch', 'event'"),
        ("fit t.csv --load a", "error: --load: "),
        ("walk", "error: No such command 'walk'"),
        ("run a b", "error: "),
    ],
)
def test_a_wrong_command_line_is_one_plain_line(
    arguments: str,
    said: str | tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    done = inside(*arguments.split())
    assert done.returncode == 2
    assert done.stderr.startswith(said), done.stderr
    assert done.stderr.count("\n") == 1
    assert len(done.stderr) <= 301
    assert done.stdout == ""


def test_the_program_alone_shows_its_help(tmp_path: Path) -> None:
    done = erasurehead(folder=tmp_path)
    assert done.returncode == 2
    assert "--debug" in done.stdout + done.stderr
    assert "error" not in done.stderr


@pytest.mark.parametrize("arguments", ["plot {}", "run c.yaml --output {}", "run {}", "fit {}"])
def test_a_name_longer_than_the_file_system_takes(
    arguments: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "c.yaml").write_text(CONFIG)
    monkeypatch.chdir(tmp_path)
    done = inside(*arguments.format("x" * 1000).split())
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.endswith("File name too long\n")
    assert len(done.stderr) <= 301
    assert [path.name for path in tmp_path.iterdir()] == ["c.yaml"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_an_output_that_takes_nothing(tmp_path: Path) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "experiments", "list"],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 2
    assert done.stderr.startswith("error: No space left on device")
    assert done.stderr.count("\n") == 1


def test_who_stops_reading_is_no_error(tmp_path: Path) -> None:
    program = f"{sys.executable} -m experiments list | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", program],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout.splitlines()[-1] in ("0", "1")


def test_characters_that_the_terminal_cannot_show(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(CONFIG + "replications: 3\n")
    done = erasurehead("run", "c.yaml", folder=tmp_path, env={"PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.isascii()
