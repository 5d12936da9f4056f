"""The command, killed at random points and given again: the same bundle, and nothing paid twice that was known."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from bundles import contents
from openai_server import Server, serving
from test_fingerprint import recorded, write_questions

import scope_edge

KILLS = 50
# Runs the command again and again in children of one process that has everything imported, and kills each with
# SIGKILL after the time that the next line of standard input says; "run" lets it end.
FORKS = """
import os, signal, sys, time
from scope_edge.cli import main
from scope_edge.cli import fingerprinting
import httpx, asyncio, scope_edge.fingerprinting, scope_edge.joining, scope_edge.outcomes
print("ready", flush=True)
for line in sys.stdin:
    after, *arguments = line.rstrip("\\n").split("\\t")
    child = os.fork()
    if child == 0:
        sys.argv = ["scope-edge", *arguments]
        try:
            main()
        except SystemExit as error:
            os._exit(error.code or 0)
        os._exit(0)
    if after != "run":
        time.sleep(float(after))
        os.kill(child, signal.SIGKILL)
    print(os.waitpid(child, 0)[1], flush=True)
"""


def arguments(server: Server, questions: Path, bundle: Path, out: Path) -> list[str]:
    return [
        "fingerprint", "newcomer", "--base-url", server.url, "--questions", str(questions), "--price-in", "1",
        "--price-out", "4", "--bundle", str(bundle), "--out", str(out), "--max-questions", "32", "--json",
        "--max-usd", "1",
    ]  # fmt: skip


@pytest.fixture(scope="module")
def asked(table_folder):
    return recorded(table_folder)


def without_speed(folder: Path) -> dict[str, bytes]:
    """The bundle's files, apart from what the clock says of the model."""
    files = contents(folder)
    del files["manifest.json"]
    cards = json.loads(files["models.json"])
    for card in cards if isinstance(cards, list) else cards["models"]:
        card["time_to_first_token_s"] = card["tokens_per_second"] = None
    files["models.json"] = json.dumps(cards).encode()
    return files


@pytest.mark.skipif(not hasattr(signal, "SIGKILL") or not hasattr(os, "fork"), reason="needs fork")
def test_killed_at_50_random_points_and_resumed_it_is_the_same_and_pays_no_answer_twice(asked, small_bundle, tmp_path):
    questions, told = asked
    file = write_questions(tmp_path / "questions.jsonl", questions)
    slow = {prompt: replace(one, latency_s=0.01) for prompt, one in told.items()}
    with serving(slow) as server:
        runner = subprocess.Popen(
            [sys.executable, "-c", FORKS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, env=_surroundings(),
        )  # fmt: skip
        assert runner.stdin is not None
        assert runner.stdout is not None
        assert runner.stdout.readline() == "ready\n"

        def command(after: str, out: Path) -> tuple[int, float]:
            begun = time.monotonic()
            runner.stdin.write("\t".join([after, *arguments(server, file, small_bundle, out)]) + "\n")
            runner.stdin.flush()
            line = runner.stdout.readline()
            while line.strip() and not line.strip().lstrip("-").isdigit():  # the summary of a run that ended
                line = runner.stdout.readline()
            return int(line), time.monotonic() - begun

        whole = tmp_path / "whole"
        status, seconds = command("run", whole)
        assert status == 0
        assert max(server.paid.values()) == 1
        once, paid_once = without_speed(whole), Counter(server.paid)

        chance, kills, twice, in_flight = random.Random(0), 0, 0, 0
        trial = 0
        while kills < KILLS:
            server.paid.clear()
            out = tmp_path / f"killed-{trial}"
            trial += 1
            for _ in range(16):
                status, _ = command(f"{chance.uniform(0.0, seconds):.4f}", out)
                kills += status == signal.SIGKILL
                if status == 0:
                    break
                assert status == signal.SIGKILL
            ledger = tmp_path / f"{out.name}.asked.jsonl"
            assert command("run", out)[0] == 0
            assert without_speed(out) == once
            sent, answered, resent_after_answer = Counter(), set(), 0
            for line in map(json.loads, ledger.read_text(encoding="utf-8").splitlines()[1:]):
                if "sent" in line:
                    resent_after_answer += bool(line["sent"].keys() & answered)
                    sent.update(line["sent"].keys())
                else:
                    answered.add(line["record"]["id"])
            assert resent_after_answer == 0
            prompt_of = {item.id: item.prompt for item in questions}
            assert set(server.paid) == set(paid_once)
            for name, times in sent.items():
                # Paid more than once only if a kill came between its sending and its record.
                assert 1 <= server.paid[prompt_of[name]] <= times
            twice += sum(server.paid.values()) - len(server.paid)
            in_flight += sum(times - 1 for times in sent.values())
        runner.stdin.close()
        assert runner.wait(timeout=30) == 0
        runner.stdout.close()
        assert runner.stderr is not None
        runner.stderr.close()
    assert kills >= KILLS
    assert twice <= in_flight <= 8 * kills
    print(f"{kills} kills in {trial} runs, {in_flight} calls under way when killed, {twice} of them paid again")


def _surroundings() -> dict[str, str]:
    path = os.pathsep.join(filter(None, (str(Path(scope_edge.__file__).parent.parent), os.environ.get("PYTHONPATH"))))
    return {**os.environ, "PYTHONPATH": path, "OPENAI_API_KEY": "sk-local"}
