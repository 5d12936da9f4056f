"""The store of a running budget: whose it is, who shares it, and what is said when it fails."""

from __future__ import annotations

import copy
import gc
import os
import sqlite3
import threading

import pytest
from budgets import TWO, Clock, account
from processes import run_python

from scope_edge import Budget, shared_file
from scope_edge.errors import BudgetError


def test_a_store_with_a_nul_in_its_path_is_refused():
    with pytest.raises(BudgetError, match="Not the path of a budget"):
        Budget(1, store="a\0b")


def test_a_store_keeps_to_its_terms(store):
    Budget(1, per="day", store=store).close()
    for other in ({"usd": 2, "per": "day"}, {"usd": 1, "per": "month"}):
        with pytest.raises(BudgetError, match=r"another budget's, expected .*, got 1 USD per day"):
            Budget(**other, store=store)


def test_what_is_no_budget_is_left_alone(store):
    store.write_bytes(b"a letter, not a database, and longer than a header of SQLite is. " * 40)
    before = store.read_bytes()
    with pytest.raises(BudgetError, match="is damaged, or is another kind of file"):
        Budget(1, store=store)
    assert store.read_bytes() == before


def execute(store, statement: str) -> None:
    """What another program does to the file."""
    connection = sqlite3.connect(store)
    connection.execute(statement)
    connection.close()


def test_another_database_is_left_alone(store):
    execute(store, "CREATE TABLE poems (text)")
    with pytest.raises(BudgetError, match="is not a budget, got another SQLite database"):
        Budget(1, store=store)


def test_a_newer_format_is_refused(store):
    Budget(1, store=store).close()
    execute(store, "PRAGMA user_version = 99")
    with pytest.raises(BudgetError, match="newer version, expected format 1, got 99"):
        Budget(1, store=store)


def test_a_truncated_file_is_reported(store):
    with Budget(1, store=store) as budget:
        budget.decide(TWO)
    os.truncate(store, 5000)
    with pytest.raises(BudgetError, match="is damaged, or is another kind of file"):
        Budget(1, store=store).decide(TWO)


def test_an_empty_file_becomes_a_budget(store):
    store.touch()
    with Budget(1, store=store) as budget:
        assert budget.left_usd == 1


def test_a_missing_folder_is_reported(tmp_path):
    with pytest.raises(BudgetError, match="cannot be opened or written"):
        Budget(1, store=tmp_path / "nowhere" / "budget.db")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write anywhere, Windows differs")
def test_a_folder_that_may_not_be_written_is_reported(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(BudgetError, match="cannot be opened or written"):
            Budget(1, store=tmp_path / "budget.db")
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.parametrize(
    ("pragma", "what"),
    [("query_only = ON", "cannot be opened or written"), ("max_page_count = 4", "finds the disk full")],
)
def test_a_change_that_cannot_be_written_leaves_no_trace(store, pragma, what):
    with Budget(1e6, store=store) as budget:
        budget._ledger.connected().execute(f"PRAGMA {pragma}")
        failed = None
        for _ in range(1000):
            before = account(budget)
            try:
                budget.decide(TWO)
            except BudgetError as error:
                failed = error
                break
        assert what in str(failed)
        assert account(budget) == before


def test_a_locked_store_is_waited_for_then_reported(store, monkeypatch):
    monkeypatch.setattr(shared_file, "_WAIT_S", 0.05)
    other = sqlite3.connect(store, isolation_level=None)
    with Budget(1, store=store) as budget:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(BudgetError, match="was locked for"):
            budget.decide(TWO)
        assert budget.left_usd == 1  # reading does not wait
        other.execute("ROLLBACK")
        assert budget.decide(TWO).ticket
    other.close()


def test_a_closed_budget_says_so(store):
    budget = Budget(1, store=store)
    budget.close()
    budget.close()
    with pytest.raises(BudgetError, match="is closed"):
        budget.decide(TWO)


@pytest.mark.skipif(os.name == "nt", reason="an open file cannot be removed here")
@pytest.mark.parametrize("replaced", [False, True])
def test_a_store_that_is_removed_or_replaced_is_reported(store, replaced):
    kept = store.with_suffix(".kept")
    with Budget(1, store=store) as budget:
        budget.record(0.5)
        os.rename(store, kept)
        if replaced:
            Budget(1, store=kept.with_suffix(".new")).close()
            os.rename(kept.with_suffix(".new"), store)
        for use in (lambda: budget.record(0.4), lambda: budget.decide(TWO), lambda: budget.left_usd):
            with pytest.raises(BudgetError, match="was removed or replaced"):
                use()
        os.replace(kept, store)
        budget.record(0.4)
        assert budget.left_usd == 0.1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_store_that_is_removed_is_not_begun_anew_after_a_fork(store):
    code = (
        "import os, sys\n"
        "from scope_edge import Budget\n"
        "from scope_edge.errors import BudgetError\n"
        "budget = Budget(1, store=sys.argv[1])\n"
        "budget.record(0.5)\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    os._exit(0)\n"
        "os.waitpid(child, 0)\n"
        "os.remove(sys.argv[1])\n"
        "try:\n"
        "    budget.record(0.4)\n"
        "except BudgetError as error:\n"
        "    print(error)\n"
    )
    assert b"was removed or replaced" in run_python(code, str(store)).stdout
    assert not store.exists()


def test_a_budget_cannot_be_copied(store):
    with Budget(1, store=store) as budget, pytest.raises(TypeError, match="pickle"):
        copy.deepcopy(budget)
    gc.collect()  # what fails within `__del__` is a warning, and with it an error


def test_an_error_within_a_transaction_undoes_it(store):
    def fails() -> float:
        raise RuntimeError("no time")

    with Budget(1, store=store) as budget:
        budget._clock = fails
        with pytest.raises(RuntimeError):
            budget.decide(TWO)
        budget._clock = Clock()
        assert account(budget) == (0.0, 0.0, 1.0, 0)
        assert budget.decide(TWO).ticket


@pytest.mark.parametrize("shared", [False, True], ids=["memory", "file"])
def test_threads_share_a_budget(store, shared):
    with Budget(10, store=store if shared else None) as budget:

        def work():
            for _ in range(25):
                budget.settle(budget.decide(TWO), 0.001)

        threads = [threading.Thread(target=work) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert account(budget) == (0.15, 0.0, 9.85, 150)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_forked_process_shares_the_store_and_not_the_memory(store):
    # The parent closes while the child goes on: a connection that had been inherited would lose its writes then.
    code = (
        "import os, sys\n"
        "from scope_edge import Budget\n"
        "from scope_edge.errors import BudgetError\n"
        "shared, own = Budget(1, store=sys.argv[1]), Budget(1)\n"
        "shared.record(0.1)\n"
        "go, gone = os.pipe()\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    shared.record(0.01)\n"
        "    os.read(go, 1)\n"
        "    shared.record(0.02)\n"
        "    try: own.record(0.1)\n"
        "    except BudgetError as error: os._exit(7 if 'forked' in str(error) else 8)\n"
        "    os._exit(9)\n"
        "shared.record(0.2)\n"
        "shared.close()\n"
        "os.write(gone, b'!')\n"
        "_, status = os.waitpid(child, 0)\n"
        "print(os.waitstatus_to_exitcode(status), own.left_usd, Budget(1, store=sys.argv[1]).spent_usd)\n"
    )
    run = run_python(code, str(store))
    assert (run.stdout.split(), run.stderr) == ([b"7", b"1.0", b"0.33"], b"")


def test_nothing_is_left_open(store):
    code = (
        "import gc, sys\n"
        "from scope_edge import Budget\n"
        "Budget(1, store=sys.argv[1]).record(0.1)\n"
        "gc.collect()\n"
        "kept = Budget(1, store=sys.argv[1])\n"
    )
    run = run_python("import warnings; warnings.simplefilter('error')\n" + code, str(store))
    assert (run.returncode, run.stderr) == (0, b"")
    assert not store.with_name(store.name + "-wal").exists()
