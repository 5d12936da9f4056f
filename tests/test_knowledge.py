"""A change of what a router knows is done as a whole or not at all, whoever asks, forks or fails meanwhile."""

from __future__ import annotations

import copy
import os
import pickle
import sqlite3

import pytest
from comparing import same
from processes import run_python
from prompts import PROMPTS

from scope_edge import Price, Router
from scope_edge.errors import JournalError, UsageError
from scope_edge.learning import Learner, experience, journal

ASKED = PROMPTS[0]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.db"


@pytest.fixture
def learned(small_bundle, path) -> Router:
    """A router with a journal of twenty outcomes."""
    router = Router.load(small_bundle, warmup=False, journal=path)
    for i in range(20):
        router.record(f"{ASKED} {i}", router.models[i % 3], score=0, cost_usd=0.01)
    return router


def change_rows(path, sql: str) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute(sql)
    connection.close()


CHANGES = {
    "price": lambda router: router.describe_model(router.models[0], price=Price(1, 2)),
    "remove": lambda router: router.remove_model(router.models[-1]),
    "add": lambda router: router.add_model("new", [{"prompt": ASKED, "score": 1}] * 3, price=Price(1, 1)),
}


@pytest.mark.parametrize("change", CHANGES)
def test_queries_beside_a_change_of_the_pool_see_the_old_one(learned, monkeypatch, change):
    before, seen, fold = learned.estimate(ASKED), [], Learner.fold

    def watched(learner, outcomes):
        seen.append(learned.estimate(ASKED))
        return fold(learner, outcomes)

    monkeypatch.setattr(Learner, "fold", watched)
    CHANGES[change](learned)
    assert seen
    assert all(same(estimates, before) for estimates in seen)
    assert not same(learned.estimate(ASKED), before)


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_that_fails_leaves_the_pool_and_what_was_learned(learned, path, change):
    before = learned.estimate(ASKED)
    change_rows(path, "UPDATE outcomes SET scale = 7 WHERE number = 5")
    with pytest.raises(JournalError, match="a bad scale in outcome 5"):
        CHANGES[change](learned)
    assert same(learned.estimate(ASKED), before)
    change_rows(path, "DELETE FROM outcomes WHERE number = 5")
    CHANGES[change](learned)
    assert not same(learned.estimate(ASKED), before)


def test_what_says_nothing_of_outcomes_does_not_fold_them_in_anew(learned, monkeypatch):
    before = learned.estimate(ASKED)
    monkeypatch.setattr(Learner, "fold", None)
    learned.describe_model(learned.models[0], context_window=4096)
    assert same(learned.estimate(ASKED), before)
    assert learned.cards[0].context_window == 4096


def test_a_record_beside_a_damaged_outcome_of_another_process_is_not_written(learned, path):
    before = learned.estimate(ASKED)
    columns = "model, at_s, score, output_tokens, cost_usd, n_tokens, codes, scale, loadings, text"
    change_rows(
        path,
        f"INSERT INTO outcomes ({columns}) SELECT {columns.replace('scale', '7.0')} FROM outcomes WHERE number = 1",
    )
    with pytest.raises(JournalError, match="a bad scale in outcome 21"):
        learned.record(ASKED, learned.models[0], score=1)
    assert same(learned.estimate(ASKED), before)
    change_rows(path, "DELETE FROM outcomes WHERE number = 21")
    assert learned.refresh() == 20


def test_a_record_that_cannot_be_folded_in_is_not_written(learned, monkeypatch):
    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Learner, "fold", fail)
        with pytest.raises(KeyboardInterrupt):
            learned.record(ASKED, learned.models[0], score=1)
    assert learned.refresh() == 20


def test_a_journal_is_folded_in_by_blocks(learned, small_bundle, path, monkeypatch):
    sizes, fold = [], Learner.fold

    def measured(learner, outcomes):
        sizes.append(len(outcomes))
        return fold(learner, outcomes)

    monkeypatch.setattr(Learner, "fold", measured)
    for module in (journal, experience):
        monkeypatch.setattr(module, "AT_ONCE", 8)
    again = Router.load(small_bundle, warmup=False, journal=path)
    assert sizes == [8, 8, 4]
    assert same(again.estimate(ASKED), learned.estimate(ASKED))


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, pickle.dumps])
def test_a_router_is_not_copied(small_bundle, duplicate):
    with pytest.raises(UsageError, match="neither copied nor pickled"):
        duplicate(Router.load(small_bundle))


# --- forks ---

_BESIDE_A_THREAD = """
import os, sys, threading, time
from scope_edge import Price, Router
from scope_edge.learning import Learner
bundle, path, change = sys.argv[1:]
asked = "What is 17 * 23?"
def load(): return Router.load(bundle, warmup=False, journal=path)
def price(router): router.describe_model(router.models[0], price=Price(1, 2))
def record(router): router.record(asked, router.models[1], score=0)
router, other = load(), load()
for _ in range(3): record(other)
halfway, go_on, keep = threading.Event(), threading.Event(), Learner._keep
def wait(*outcomes):
    halfway.set()
    go_on.wait()
    keep(*outcomes)
Learner._keep = wait
thread = threading.Thread(target={"refresh": router.refresh, "price": lambda: price(router)}[change])
thread.start()
halfway.wait()
Learner._keep = keep
child = os.fork()
if child == 0:
    price(router)
    record(router)
    again = load()
    price(again)
    same = (router.estimate(asked).figures == again.estimate(asked).figures).all()
    os._exit(0 if same else 1)
deadline = time.monotonic() + 30
while (ended := os.waitpid(child, os.WNOHANG)) == (0, 0):
    if time.monotonic() > deadline:
        os.kill(child, 9)
        break
    time.sleep(0.01)
go_on.set()
thread.join()
print("hangs" if ended == (0, 0) else os.waitstatus_to_exitcode(ended[1]), router.refresh())
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.parametrize("change", ["refresh", "price"])
def test_a_child_that_was_forked_in_the_middle_of_a_change_goes_on_by_itself(small_bundle, path, change):
    run = run_python(
        "import warnings; warnings.simplefilter('ignore')" + _BESIDE_A_THREAD, str(small_bundle), str(path), change
    )
    assert run.stdout.split() == [b"0", b"4"], run.stderr.decode()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_child_knows_what_was_learned_and_cannot_change_what_only_its_parent_holds(small_bundle):
    run = run_python(
        "import os, sys\n"
        "from scope_edge import Router\n"
        "from scope_edge.errors import JournalError\n"
        "router = Router.load(sys.argv[1], warmup=False)\n"
        "router.record('What is 17 * 23?', router.models[0], score=0)\n"
        "def figures(): return router.estimate('What is 17 * 23?').figures.tobytes()\n"
        "wanted, models = figures(), router.models\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    for change in (router.refresh, lambda: router.remove_model(models[0])):\n"
        "        try: change()\n"
        "        except JournalError: continue\n"
        "        os._exit(1)\n"
        "    os._exit(0 if (figures(), router.models) == (wanted, models) else 2)\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n",
        str(small_bundle),
    )
    assert run.stdout.strip() == b"0", run.stderr.decode()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_fork_does_not_wait_for_a_thread_that_waits_for_another_process(small_bundle, path):
    run = run_python(
        "import os, sqlite3, sys, threading, time, warnings\n"
        "warnings.simplefilter('ignore')\n"
        "from scope_edge import Router\n"
        "router = Router.load(sys.argv[1], warmup=False, journal=sys.argv[2])\n"
        "router.record('hi', router.models[0], score=1)\n"
        "other = sqlite3.connect(sys.argv[2], isolation_level=None)\n"
        "other.execute('BEGIN IMMEDIATE')\n"
        "thread = threading.Thread(target=router.record, args=('hi', router.models[0]), kwargs={'score': 1})\n"
        "thread.start()\n"
        "time.sleep(0.3)\n"
        "began = time.monotonic()\n"
        "if (child := os.fork()) == 0: os._exit(0)\n"
        "print(time.monotonic() - began < 4)\n"
        "os.waitpid(child, 0)\n"
        "other.execute('COMMIT')\n"
        "thread.join()\n"
        "print(router.refresh())\n",
        str(small_bundle),
        str(path),
    )
    assert run.stdout.split() == [b"True", b"2"], run.stderr.decode()
