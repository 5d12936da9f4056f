from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from openai_server import serving
from test_fingerprint import recorded, write_questions

from scope_edge import Price, Router
from scope_edge.questions.probe.generating import probe_items


@pytest.fixture(scope="module")
def asked(table_folder):
    return recorded(table_folder)


@pytest.fixture
def fingerprint(asked, small_bundle, tmp_path, monkeypatch, cli):
    """Runs the command on the generated questions; gives its exit code, output and errors."""
    file = write_questions(tmp_path / "questions.jsonl", asked[0])

    monkeypatch.setenv("HF_HOME", str(tmp_path / "no cache"))

    def run(url: str, *options: str, model: str = "newcomer", questions: str = str(file)) -> tuple[int, str, str]:
        given = {
            "--base-url": url, "--questions": questions, "--price-in": "1", "--price-out": "4",
            "--bundle": str(small_bundle), "--out": str(tmp_path / "out"),
        }  # fmt: skip
        parts = [part for pair in given.items() for part in pair]
        ran = cli("fingerprint", model, *parts, *options)
        return ran.code, ran.out, ran.err

    return run


def test_the_summary_says_what_was_asked_what_it_cost_and_what_it_saved(asked, fingerprint, tmp_path, monkeypatch):
    monkeypatch.setenv("MY_KEY", "sk-very-secret")
    with serving(asked[1], key="sk-very-secret") as server:
        code, out, err = fingerprint(server.url, "--until", "0.08", "--api-key-env", "MY_KEY", "--json")
        summary = json.loads(out)
        assert (code, err) == (0, "")
        assert summary["asked"] == sum(server.paid.values()) == summary["verdicts"]
        assert summary["half_width"] <= 0.08
        assert summary["stopped"] == "the interval is narrow enough"
        again = json.loads(fingerprint(server.url, "--until", "0.08", "--api-key-env", "MY_KEY", "--json")[1])
        assert again == summary
        assert max(server.paid.values()) == 1
        code, out, _ = fingerprint(server.url, "--until", "0.08", "--api-key-env", "MY_KEY")
    assert "Added newcomer" in out
    assert "saved" in out
    assert "newcomer" in Router.load(tmp_path / "out").models
    assert "secret" not in (tmp_path / "out.asked.jsonl").read_text(encoding="utf-8")


def test_a_dry_run_sends_nothing_and_writes_nothing(asked, fingerprint, tmp_path):
    with serving(asked[1]) as server:
        code, out, _ = fingerprint(server.url, "--dry-run", "--json", "--max-questions", "20")
        assert not server.calls
        plan = json.loads(out)
        assert code == 0
        assert (plan["questions"], plan["asked_at_most"], len(plan["first_round"])) == (len(asked[0]), 20, 8)
        assert 1e-4 < plan["expected_usd"] < 1
        assert fingerprint(server.url, "--dry-run")[1].startswith(f"{len(asked[0])} of {len(asked[0])} questions")
    assert not (tmp_path / "out").exists()
    assert [file.name for file in tmp_path.iterdir()] == ["questions.jsonl"]


def test_a_dry_run_keeps_to_the_money(asked, fingerprint):
    with serving(asked[1]) as server:
        whole = json.loads(fingerprint(server.url, "--dry-run", "--json")[1])
        some = json.loads(fingerprint(server.url, "--dry-run", "--json", "--max-usd", "0.02")[1])
        assert 0.01 < some["expected_usd"] <= 0.02 < whole["expected_usd"]
        assert 8 <= some["asked_at_most"] < whole["asked_at_most"]
        code, out, err = fingerprint(server.url, "--dry-run", "--max-usd", "0")
        assert (code, out, "too low for the first question" in err) == (2, "", True)
        assert not server.calls


def test_a_dry_run_counts_what_was_asked_before(asked, fingerprint, tmp_path):
    with serving(asked[1]) as server:
        spent = json.loads(fingerprint(server.url, "--max-questions", "16", "--json")[1])["cost_usd"]
        ledger = (tmp_path / "out.asked.jsonl").read_bytes()
        plan = json.loads(fingerprint(server.url, "--dry-run", "--max-questions", "20", "--json")[1])
        assert (plan["asked"], plan["asked_at_most"], plan["spent_usd"]) == (16, 20, spent)
        assert len(plan["first_round"]) == 4
        assert plan["interval_before"]["half_width"] < 0.3
        code, out, _ = fingerprint(server.url, "--dry-run", "--max-questions", "16")
        assert (code, server.paid.total()) == (0, 16)
        assert out.startswith("16 asked already, for ")
        assert "Nothing is asked: the limit of 16 questions is reached" in out
        assert "the money is spent" in fingerprint(server.url, "--dry-run", "--max-usd", "0.001")[1]
        code, _, err = fingerprint(server.url, "--dry-run", "--concurrency", "4")
        assert (code, "out.asked.jsonl is the ledger of another run" in err) == (2, True)
    assert (tmp_path / "out.asked.jsonl").read_bytes() == ledger


def test_results_on_generated_questions_count_less(fingerprint, asked, small_bundle, tmp_path):
    told = next(iter(asked[1].values()))
    items = probe_items()
    with serving({item.prompt: replace(told, text=item.solution) for item in items.values()}) as server:
        code, out, err = fingerprint(server.url, "--json", "--max-questions", "24", questions="probe")
    assert code == 0, err
    summary = json.loads(out)
    assert summary["verdicts"] == summary["right"] == len(server.paid) == 24
    records = [json.loads(line) for line in (tmp_path / "out.asked.jsonl").read_text(encoding="utf-8").splitlines()]
    chosen = [record["record"]["id"] for record in records if "record" in record]
    assert len(chosen) == 24
    # The same results at full weight say more: the ability is better known, and the estimates' intervals are narrower.
    rows = [{"prompt": items[name].prompt, "score": 1.0, "output_tokens": told.output_tokens} for name in chosen]
    router = Router.load(small_bundle)
    router.add_model("newcomer", rows, Price(1.0, 4.0))
    with_weight, without = Router.load(tmp_path / "out"), router
    precise = [np.linalg.slogdet(each.estimator.fingerprints.theta_precision[-1])[1] for each in (with_weight, without)]
    assert precise[0] < precise[1]
    prompts = [f"What is {i} times {i + 7}?" for i in range(20)]
    widths = []
    for each in (with_weight, without):
        estimates = each.estimate_batch(prompts, models=["newcomer"])
        widths.append(float((estimates.p_high - estimates.p_low).mean()))
    assert widths[0] > 1.02 * widths[1]


@pytest.mark.parametrize(
    ("options", "model", "questions", "words"),
    [
        ((), "large", None, "The pool has a model 'large' already"),
        ((), "nobody", None, "The endpoint gives no answers, got HTTP 404"),
        ((), "newcomer", "anchors", "Give the folder that has them with --data"),
        (("--until", "0.7"), "newcomer", None, "Bad until"),
        (("--concurrency", "0"), "newcomer", None, "Bad --concurrency, expected 1 or more, got 0"),
        (("--max-tokens", "0"), "newcomer", None, "Bad --max-tokens, expected 1 or more, got 0"),
        (("--temperature", "nan"), "newcomer", None, "Bad --temperature, expected a finite number, got nan"),
        (("--timeout-s", "0"), "newcomer", None, "Bad --timeout-s, expected seconds above 0, got 0.0"),
        (("--timeout-s", "nan"), "newcomer", None, "Bad --timeout-s"),
        (("--api-key-env", "NO_SUCH_KEY"), "newcomer", None, "variable NO_SUCH_KEY of --api-key-env has no key"),
        (("--name", "a*b"), "newcomer", None, "Bad model name"),
        (("--name", ""), "newcomer", None, "Bad model name"),
        (("--max-usd", "1e-6"), "newcomer", None, "too low for the first question, expected 0.00"),
        (("--max-questions", "0"), "newcomer", None, "Bad max_questions"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(fingerprint, asked, options, model, questions, words):
    with serving(asked[1]) as server:
        given = {} if questions is None else {"questions": questions}
        code, out, err = fingerprint(server.url, *options, model=model, **given)
        assert not server.paid
        assert model == "nobody" or not server.calls
    assert (code, out) == (2, "")
    assert words in err
    assert err.count("\n") == 1


def test_without_httpx_the_extra_is_named(fingerprint, monkeypatch):
    monkeypatch.setitem(sys.modules, "httpx", None)
    code, _, err = fingerprint("http://127.0.0.1:9/v1")
    assert code == 2
    assert "scope-edge[fingerprint]" in err
    assert fingerprint("http://127.0.0.1:9/v1", "--dry-run")[0] == 0


def test_after_a_failed_start_the_same_command_goes_on_as_if_nothing_had_happened(asked, fingerprint, monkeypatch):
    given = ("--max-questions", "8", "--api-key-env", "MY_KEY", "--json")
    with serving(asked[1], key="right") as server:
        monkeypatch.setenv("MY_KEY", "wrong")
        code, _, err = fingerprint(server.url, *given)
        assert (code, "is kept" in err, "HTTP 401" in err) == (2, False, True)
        monkeypatch.setenv("MY_KEY", "right")
        # The address may be put right too, for nothing was paid.
        code, out, err = fingerprint(f"{server.url}/", *given)
        assert code == 0, err
        assert (json.loads(out)["sent_twice"], set(server.paid.values())) == (0, {1})


@pytest.mark.parametrize(("usage", "words"), [(False, "output tokens not told"), (True, "0 of them reasoning")])
def test_tokens_that_nobody_reported_are_not_told_as_none(asked, fingerprint, usage, words):
    with serving(asked[1], usage=usage) as server:
        _, out, _ = fingerprint(server.url, "--max-questions", "8")
    assert words in out
    assert "accuracy over all questions on offer" in " ".join(out.split())


def test_reasoning_that_nobody_reported_is_not_told_as_none(asked, fingerprint, monkeypatch):
    monkeypatch.setattr("openai_server._usage", lambda *_: {"prompt_tokens": 5, "completion_tokens": 7})
    with serving(asked[1]) as server:
        _, out, _ = fingerprint(server.url, "--max-questions", "8")
    assert "56 output tokens, not told how many of them reasoning" in out


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGINT")
@pytest.mark.parametrize(("answered", "words"), [(1, "what was answered is kept in "), (0, "nothing was answered yet")])
def test_ctrl_c_says_where_the_answers_are(asked, small_bundle, tmp_path, answered, words):
    file = write_questions(tmp_path / "questions.jsonl", asked[0])
    slow = {prompt: replace(one, latency_s=0.5 if answered else 60.0) for prompt, one in asked[1].items()}
    command = [
        sys.executable, "-m", "scope_edge", "fingerprint", "newcomer", "--questions", str(file), "--price-in", "1",
        "--price-out", "4", "--bundle", str(small_bundle), "--out", str(tmp_path / "out"), "--concurrency", "1",
    ]  # fmt: skip
    with serving(slow) as server:
        run = subprocess.Popen([*command, "--base-url", server.url], stderr=subprocess.PIPE, text=True)
        until = time.monotonic() + 60
        while server.calls.total() < 1 + answered and time.monotonic() < until:
            time.sleep(0.01)
        run.send_signal(signal.SIGINT)
        _, err = run.communicate(timeout=60)
    assert run.returncode == 130
    assert words in err
    assert "run the same command again" in err
    assert err.count("\n") == 1
