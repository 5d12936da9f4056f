"""Fresh interpreters: what they import, when they compile, how they fork and end."""

from __future__ import annotations

import json
import multiprocessing
import os
import pickle
from concurrent.futures import ProcessPoolExecutor

import pytest
from processes import run_python
from prompts import PROMPTS
from spawned import decide

from scope_edge import Estimates, jit


@pytest.fixture(scope="module")
def batch(router) -> Estimates:
    return router.estimate_batch(PROMPTS)


_ASK = """
import json, sys
from scope_edge import Router, jit
prompts = json.load(sys.stdin)
router = Router.load()
if "warm" in sys.argv:
    router.warmup()
plan = router.route_batch(prompts, alpha=0.6)
print(json.dumps({
    "compiled": jit.kernels().compiled,
    "models": plan.models,
    "p": plan.estimates.p_correct.tobytes().hex(),
    "cost": plan.estimates.cost_usd.tobytes().hex(),
}))
"""


def test_the_compiler_decides_nothing(router, batch):
    stdin = json.dumps(PROMPTS).encode()
    runs = {
        "warm": run_python(_ASK, "warm", stdin=stdin, env={"NUMBA_DISABLE_JIT": None}),
        "no jit": run_python(_ASK, "warm", stdin=stdin, env={"NUMBA_DISABLE_JIT": "1"}),
    }
    answers = {}
    for label, run in runs.items():
        assert run.returncode == 0, run.stderr.decode()
        answers[label] = json.loads(run.stdout)
    assert [answers[label].pop("compiled") for label in runs] == [True, False]
    assert answers["warm"] == answers["no jit"]
    assert answers["warm"]["models"] == router.route_batch(PROMPTS, alpha=0.6).models
    assert bytes.fromhex(answers["warm"]["p"]) == batch.p_correct.tobytes()
    assert bytes.fromhex(answers["warm"]["cost"]) == batch.cost_usd.tobytes()


HEAVY = ("numba", "onnxruntime", "tokenizers", "usearch", "torch", "polars", "sklearn")


def test_importing_the_package_is_light():
    code = f"import scope_edge, sys; print([name for name in {(*HEAVY, 'numpy')!r} if name in sys.modules])"
    assert run_python(code).stdout.strip() == b"[]"


def test_importing_the_router_is_light():
    code = f"from scope_edge import Router; import sys; print([name for name in {HEAVY!r} if name in sys.modules])"
    assert run_python(code).stdout.strip() == b"[]"


def test_a_cache_that_cannot_be_read_gives_way_to_one_of_the_process(monkeypatch):
    numba = pytest.importorskip("numba")
    folders = []

    def exercise(_):
        folders.append(numba.config.CACHE_DIR)
        if len(folders) == 1:
            raise pickle.UnpicklingError("pickle data was truncated")

    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    monkeypatch.setattr(numba.config, "DISABLE_JIT", False)
    monkeypatch.setattr(jit, "_exercise", exercise)
    monkeypatch.setattr(jit, "_import_kernels", lambda anew=False: anew)
    jit._compile()
    assert folders[0] == ""
    assert os.path.isdir(folders[1])


def test_a_process_that_can_start_no_thread_does_not_try_again():
    code = (
        "import threading\n"
        "from scope_edge import Router, jit\n"
        "router, tried = Router.load(), []\n"
        "def start(thread):\n"
        "    tried.append(thread.name)\n"
        "    raise RuntimeError('no thread')\n"
        "threading.Thread.start = start\n"
        "print(len({router.route('Hello!').model for _ in range(20)}), tried, jit.kernels().compiled)\n"
    )
    run = run_python(code, env={"NUMBA_DISABLE_JIT": None})
    assert (run.stdout.strip(), run.stderr) == (b"1 ['scope-edge-warmup'] False", b"")


def test_the_first_decision_imports_no_compiler():
    code = (
        "from scope_edge import Router; import sys; Router.load().route('hi');"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    run = run_python(code)
    assert run.stdout.strip() == b"['onnxruntime']", run.stderr.decode()


def test_a_process_that_goes_on_gets_the_compiled_kernels_by_itself():
    code = (
        "import sys, threading\n"
        "from scope_edge import Router, jit\n"
        "router = Router.load()\n"
        "for index in range(20): router.route(f'prompt {index}')\n"
        "[thread.join() for thread in threading.enumerate() if thread.name == 'scope-edge-warmup']\n"
        "print(jit.kernels().compiled)"
    )
    run = run_python(code, env={"NUMBA_DISABLE_JIT": None})
    assert run.stdout.strip() == b"True", run.stderr.decode()


def test_a_process_may_end_while_the_kernels_are_warming():
    code = (
        "from scope_edge import Router, jit\n"
        "router = Router.load()\n"
        "for index in range(20): router.route(f'prompt {index}')\n"
        "print(jit._thread is not None)\n"
    )
    run = run_python(code, env={"NUMBA_DISABLE_JIT": None})
    assert (run.returncode, run.stdout.strip(), run.stderr) == (0, b"True", b"")


@pytest.mark.parametrize(
    "run_late",
    [
        "atexit.register(decide)",
        "threading.Thread(target=lambda: (threading.main_thread().join(), decide())).start()",
    ],
)
def test_prompts_are_routed_while_the_interpreter_ends(run_late):
    code = (
        "import atexit, threading\n"
        "from scope_edge import Router, jit\n"
        "router = Router.load()\n"
        "def decide():\n"
        "    print(len({router.route('Hello!').model for _ in range(20)}))\n"
        "    if jit._thread is not None: jit._thread.join()\n"
        f"{run_late}\n"
    )
    run = run_python(code, env={"NUMBA_DISABLE_JIT": None})
    assert (run.returncode, run.stdout.strip(), run.stderr) == (0, b"1", b"")


@pytest.mark.parametrize(("n", "warms"), [(20, b"False"), (2000, b"True")])
def test_one_batch_warms_the_kernels_only_if_it_gains_by_it(n, warms):
    code = (
        "from scope_edge import Router, jit\n"
        f"Router.load().estimate_batch([f'prompt {{index}}' for index in range({n})])\n"
        "print(jit._thread is not None)\n"
    )
    run = run_python(code, env={"NUMBA_DISABLE_JIT": None})
    assert (run.returncode, run.stdout.strip(), run.stderr) == (0, warms, b"")


def test_a_router_that_may_not_warm_up_does_not():
    code = (
        "import sys, threading\n"
        "from scope_edge import Router\n"
        "router = Router.load(warmup=False)\n"
        "router.route_batch([f'prompt {index}' for index in range(2000)])\n"
        "for index in range(20): router.route(f'prompt {index}')\n"
        "print('numba' in sys.modules, [thread.name for thread in threading.enumerate()])\n"
    )
    assert run_python(code).stdout.strip() == b"False ['MainThread']"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_two_hundred_exits_during_the_warm_up_are_clean():
    code = (
        "import os, random, sys, time\n"
        "from scope_edge import Router, jit\n"
        "router = Router.load()\n"
        "random.seed(0)\n"
        "ends = [random.uniform(0, 0.5) for _ in range(200)]\n"
        "for start in range(0, len(ends), 4):\n"
        "    children = []\n"
        "    for wait in ends[start : start + 4]:\n"
        "        child = os.fork()\n"
        "        if child == 0:\n"
        "            for index in range(9): router.route(f'prompt {index}')\n"
        "            assert jit._thread is not None\n"
        "            time.sleep(wait)\n"
        "            sys.exit(0)\n"
        "        children.append(child)\n"
        "    for child in children:\n"
        "        deadline = time.monotonic() + 60\n"
        "        while (ended := os.waitpid(child, os.WNOHANG)) == (0, 0):\n"
        "            if time.monotonic() > deadline: os.kill(child, 9); sys.exit('a child hangs')\n"
        "            time.sleep(0.005)\n"
        "        if ended[1]: sys.exit(f'a child ended with {ended[1]}')\n"
        "print('done')\n"
    )
    run = run_python(code, env={"NUMBA_DISABLE_JIT": None})
    assert (run.stdout.strip(), run.stderr) == (b"done", b"")


@pytest.mark.parametrize(
    "lost",
    [
        "sys.modules['numba'] = None",
        # Without the kernels' files numba has no place for its cache, and without a folder for temporary ones no other.
        "from numba.core.caching import CacheImpl; CacheImpl._locator_classes = []",
        "from numba.core.caching import CacheImpl; CacheImpl._locator_classes = []\n"
        "import tempfile; tempfile.tempdir = '/nowhere'",
    ],
    ids=["numba", "files", "temporary"],
)
def test_what_a_frozen_application_left_out_is_not_missed(lost):
    code = (
        "import sys\n"
        f"{lost}\n"
        "from scope_edge import Router, jit\n"
        "router = Router.load()\n"
        "models = {router.route('What is 17 * 23?').model for _ in range(20)}\n"
        "print(len(models), jit.warmup(), jit.kernels().compiled)\n"
    )
    run = run_python(code, env={"NUMBA_DISABLE_JIT": None})
    assert (run.stdout.split(), run.stderr) == ([b"1", b"False", b"False"], b"")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_fork_during_the_warm_up_does_not_hang():
    run = run_python(
        "import os, signal, time\n"
        "from scope_edge import jit\n"
        "jit.start_warmup()\n"
        "time.sleep(0.05)\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    signal.alarm(60)\n"
        "    jit.warmup()\n"
        "    os._exit(0)\n"
        "_, status = os.waitpid(child, 0)\n"
        "print(os.waitstatus_to_exitcode(status))\n"
    )
    assert run.stdout.split() == [b"0"], run.stderr.decode()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_forks_between_busy_threads_still_decide(small_bundle):
    code = (
        "import os, sys, threading, time\n"
        "from scope_edge import Router\n"
        "router = Router.load(sys.argv[1])\n"
        "wanted = router.route('Add 3 and 4, then multiply by 5.').model\n"
        "stop = threading.Event()\n"
        "def work(seed):\n"
        "    index = seed\n"
        "    while not stop.is_set():\n"
        "        router.route(f'What is {index} times {index % 7}, and why?')\n"
        "        index += 4\n"
        "threads = [threading.Thread(target=work, args=(seed,), daemon=True) for seed in range(4)]\n"
        "for thread in threads: thread.start()\n"
        "for _ in range(20):\n"
        "    child = os.fork()\n"
        "    if child == 0:\n"
        "        os._exit(0 if router.route('Add 3 and 4, then multiply by 5.').model == wanted else 1)\n"
        "    deadline = time.monotonic() + 60\n"
        "    while (ended := os.waitpid(child, os.WNOHANG)) == (0, 0):\n"
        "        if time.monotonic() > deadline: os.kill(child, 9); sys.exit('a child hangs')\n"
        "        time.sleep(0.005)\n"
        "    if ended[1]: sys.exit('a child failed or decided otherwise')\n"
        "stop.set()\n"
        "print('done')\n"
    )
    result = run_python("import warnings; warnings.simplefilter('ignore')\n" + code, str(small_bundle))
    assert result.stdout.strip() == b"done", result.stderr.decode()


def test_spawned_processes_decide_alike(router):
    prompts = PROMPTS[:3]
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        assert list(pool.map(decide, prompts)) == [router.route(prompt).model for prompt in prompts]
