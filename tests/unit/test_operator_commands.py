"""`python -m signin`: the exit code of each command, and which stream it writes to. The process itself is tested in
tests/integration.
"""

from __future__ import annotations

import io
import itertools
import logging
import runpy
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from signin.counting.errors import PermanentError
from signin.counting.table import VisitTable
from signin.operators import commands
from signin.settings import TableSettings
from signin.visits.visit import Visit

from .table_service import TableService

AT = datetime(2026, 11, 23, 9, 15, tzinfo=UTC)
COMMANDS = ["audit", "repair", "adopt", "export"]


@pytest.fixture(autouse=True)
def level_of_urllib3() -> Iterator[None]:
    """Restore the level that every command sets."""
    logger = logging.getLogger("urllib3")
    level = logger.level
    yield
    logger.setLevel(level)


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> TableService:
    """The table that the commands connect to: three visits in one shard, and two rows of the C# sample."""
    service = TableService()
    for _ in range(3):
        service.commit_from_elsewhere("00")
    for number in range(2):
        service.put("SignIn", f"1b0e9ac5-4eb5-4b5f-9e52-00000000000{number}", at=AT, OS="Windows 10", Browser="IE")
    monkeypatch.setenv("TableConnectionString", "UseDevelopmentStorage=true")
    monkeypatch.setattr(TableSettings, "connect", lambda _: service.visit_table())
    return service


def run(capsys: pytest.CaptureFixture[str], command: str, *options: str) -> tuple[int, str, str]:
    """A command's exit code, standard output and standard error."""
    exit_code = commands.main([command, *options])
    output, errors = capsys.readouterr()
    return exit_code, output, errors


def test_audit_exits_with_1_until_rows_are_adopted(service: TableService, capsys: pytest.CaptureFixture[str]) -> None:
    exit_code, output, errors = run(capsys, "audit")
    assert (exit_code, errors) == (1, "")
    assert "not counted: 2;" in output
    assert run(capsys, "adopt")[0] == 0
    assert run(capsys, "audit")[0] == 0


def test_audit_advises_repair_until_it_is_done(service: TableService, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "adopt")
    assert "repair" not in run(capsys, "audit")[1]
    service.remove("00", service.visits()[0])
    exit_code, output, _ = run(capsys, "audit")
    assert exit_code == 1
    assert output.endswith("\n\nRun `python -m signin repair` to replace the stats rows that do not match the rows.\n")
    assert run(capsys, "repair")[0] == 0
    assert run(capsys, "audit")[0] == 0


def test_malformed_stats_row_is_left_to_repair(service: TableService, capsys: pytest.CaptureFixture[str]) -> None:
    service.put("00", "stats", Total="many")
    exit_code, _, errors = run(capsys, "audit")
    assert exit_code == 2
    assert "shard 00 is malformed: run `python -m signin repair`. " in errors
    assert run(capsys, "repair")[0] == 0
    assert service.visit_table().read(0).statistics.total == 3


def test_repair_prints_totals_before_and_after(service: TableService, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "adopt")
    service.commit_from_elsewhere("01")
    service.remove("00", service.visits()[0])
    service.remove("adopted", "stats")
    assert run(capsys, "repair") == (
        0,
        (
            "shard      visits before     visits after\n"
            "00                     3                2  repaired\n"
            "01                     1                1\n"
            "adopted             none                2  repaired\n"
            "\n"
            "Every stats row matches the rows of its shard.\n"
        ),
        "",
    )


def test_adopt_prints_what_it_counted(service: TableService, capsys: pytest.CaptureFixture[str]) -> None:
    printed = [run(capsys, "adopt")[1].split() for _ in range(2)]
    assert [words[:5] for words in printed] == [
        ["adopted", "2", "already", "adopted", "0"],
        ["adopted", "0", "already", "adopted", "2"],
    ]


def test_export_writes_only_visits_to_standard_output(
    service: TableService, capsys: pytest.CaptureFixture[str]
) -> None:
    exit_code, output, errors = run(capsys, "export")
    assert (exit_code, errors, len(output.splitlines())) == (0, "", 1 + 3)


def test_export_exits_with_1_if_rows_are_skipped(service: TableService, capsys: pytest.CaptureFixture[str]) -> None:
    service.put("00", "0note", OS="Windows", Browser="Edge")
    exit_code, output, errors = run(capsys, "export")
    assert (exit_code, len(output.splitlines())) == (1, 1 + 3)
    assert errors.startswith("export: rows skipped because they are not visits: 1;")


@pytest.mark.parametrize("command", COMMANDS)
def test_missing_setting_exits_with_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    monkeypatch.delenv("TableConnectionString", raising=False)
    exit_code, output, errors = run(capsys, command)
    assert (exit_code, output) == (2, "")
    assert errors.startswith(f"{command}: TableConnectionString is not set")


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("error", "exit_code", "message"),
    [(PermanentError("no such table"), 2, "no such table. "), (KeyboardInterrupt(), 130, "interrupted. ")],
    ids=["storage", "ctrl-c"],
)
def test_command_that_ends_early_reports_why(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    service: TableService,
    command: str,
    error: BaseException,
    exit_code: int,
    message: str,
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(VisitTable, "rows", fail)
    ended_with, _, errors = run(capsys, command)
    assert ended_with == exit_code
    assert errors.startswith(f"{command}: {message}")
    assert errors.endswith(".\n")
    assert errors.count("\n") == 1


def test_program_exits_with_the_code_of_its_command(service: TableService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["signin", "audit"])
    with pytest.raises(SystemExit, match=r"^1$"):
        runpy.run_module("signin", run_name="__main__")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("command", "progress"),
    [
        ("audit", "5 rows"),
        ("repair", "3 rows of 3 (100%)"),
        ("adopt", "2 rows of 2 (100%)"),
        ("export", "3 rows of 3 (100%)"),
        ("adopt export", "5 rows of 5 (100%)"),
    ],
)
def test_terminal_shows_progress_and_clears_it(
    monkeypatch: pytest.MonkeyPatch, service: TableService, command: str, progress: str
) -> None:
    *earlier, command = command.split()
    for name in earlier:
        commands.main([name])
    clock = itertools.count()
    monkeypatch.setattr(commands, "time", SimpleNamespace(monotonic=lambda: next(clock)))  # a second for each row
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    commands.main([command])
    assert f"\r\033[K{progress}, " in terminal.getvalue()
    assert terminal.getvalue().endswith("\r\033[K")


def test_export_to_a_terminal_shows_no_progress(monkeypatch: pytest.MonkeyPatch, service: TableService) -> None:
    monkeypatch.setattr(sys, "stderr", errors := Terminal())
    monkeypatch.setattr(sys, "stdout", output := Terminal())
    assert commands.main(["export"]) == 0
    assert errors.getvalue() == ""
    assert output.getvalue().startswith("time,os,browser,device")


# Rooms


@pytest.fixture
def with_room(service: TableService, monkeypatch: pytest.MonkeyPatch) -> TableService:
    """The table also has a visit in the room "shop"; the settings have another room."""
    table = service.visit_table().of_room("shop")
    table.commit(0, table.read(0), [Visit.now()])
    monkeypatch.setenv("Rooms", "keynote")
    service.remove("SignIn", "1b0e9ac5-4eb5-4b5f-9e52-000000000000")
    service.remove("SignIn", "1b0e9ac5-4eb5-4b5f-9e52-000000000001")
    return service


def shards(output: str) -> list[str]:
    """The first column of the table that a command prints."""
    return [line.split()[0] for line in output.partition("\n\n")[0].splitlines()[1:]]


def test_commands_work_on_all_rooms(with_room: TableService, capsys: pytest.CaptureFixture[str]) -> None:
    exit_code, output, _ = run(capsys, "audit")
    assert (exit_code, shards(output)) == (0, ["00", "shop-00", "total"])
    assert "Rooms that the setting Rooms does not list, so that they have no page: shop\n" in output
    exit_code, output, _ = run(capsys, "repair")
    assert (exit_code, shards(output)) == (0, ["00", "shop-00"])
    assert [line.rpartition(",")[2] for line in run(capsys, "export")[1].splitlines()] == ["room", "", "", "", "shop"]


def test_commands_work_on_one_room(with_room: TableService, capsys: pytest.CaptureFixture[str]) -> None:
    with_room.remove("shop-00", next(with_room.visit_table().of_room("shop").visits(0)).key)
    with_room.remove("00", next(with_room.visit_table().visits(0)).key)
    exit_code, output, _ = run(capsys, "audit", "--room", "shop")
    assert (exit_code, shards(output)) == (1, ["shop-00", "total"])
    exit_code, output, _ = run(capsys, "repair", "--room", "shop")
    assert (exit_code, shards(output)) == (0, ["shop-00"])
    assert run(capsys, "audit", "--room", "shop")[0] == 0
    assert run(capsys, "audit")[0] == 1, "the default counter was not repaired"
    assert len(run(capsys, "export", "--room", "shop")[1].splitlines()) == 1


def test_listed_room_needs_no_rows(with_room: TableService, capsys: pytest.CaptureFixture[str]) -> None:
    exit_code, output, _ = run(capsys, "audit", "--room", "keynote")
    assert (exit_code, shards(output)) == (0, ["total"])


def test_visits_of_the_sample_are_adopted_in_a_room(
    with_room: TableService, capsys: pytest.CaptureFixture[str]
) -> None:
    with_room.put("SignIn", "1b0e9ac5-4eb5-4b5f-9e52-000000000000", at=AT, OS="Windows 10", Browser="IE")
    assert run(capsys, "adopt", "--room", "keynote")[0] == 0
    assert with_room.visit_table().of_room("keynote").read(-1).statistics.total == 1
    assert run(capsys, "audit")[0] == 0


@pytest.mark.parametrize("command", COMMANDS)
def test_unknown_room_is_an_error(command: str, with_room: TableService, capsys: pytest.CaptureFixture[str]) -> None:
    exit_code, output, errors = run(capsys, command, "--room", "nope")
    assert (exit_code, output) == (2, "")
    assert errors.startswith(f"{command}: Rooms has no room nope, and neither has the table")


@pytest.mark.parametrize("command", COMMANDS)
def test_malformed_rooms_are_an_error(
    command: str, with_room: TableService, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("Rooms", "api")
    exit_code, _, errors = run(capsys, command)
    assert exit_code == 2
    assert errors.startswith(f"{command}: Rooms is malformed: ")


def test_progress_expects_the_rows_of_all_rooms(with_room: TableService) -> None:
    table = with_room.visit_table()
    assert commands._total(table, commands._Rooms(None, set())) == 4
    assert commands._total(table, commands._Rooms(["shop"], set())) == 1
