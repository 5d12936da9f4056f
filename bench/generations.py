"""Generations of model families of which the newer is clearly the stronger in public; prints tests/generations.py.

Run: python bench/generations.py --data DIR > tests/generations.py

DIR holds scorecards.parquet and catalogue.parquet. The lines of models below were written down by hand, from public
announcements: one family, one size class (or one tier, where sizes are secret), one reasoning setting, oldest first.
Which models of a line become a pair is decided by dates of release and published scores, never by a prediction of
ours. With --all, what became of each two models of a line is told on stderr, with the numbers.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scope_edge.rows import read_file_rows
from scope_edge.scorecards import Scorecards, read_scorecards

EFFORTS = ("", "-max", "-xhigh", "-high", "-medium", "-low")

LEAST_BOARDS = 6
LEAST_GAIN, LEAST_AHEAD = 0.4, 0.8
RULE = f"""\
- It comes later in its line, and was not released before the other as far as the catalogue knows.
- Both have scores on at least {LEAST_BOARDS} boards in common: a board is one benchmark by one publisher, all its
  parts together. The gain on a board is the mean difference of the logits of the scores.
- It is ahead on at least {LEAST_AHEAD:.0%} of these boards, and by a gain of at least {LEAST_GAIN} in their mean.
- It is the first in the line of which all that is true. Where the same two are compared at several efforts, the effort
  with the most boards counts."""

RELEASED = {"gpt-3.5-turbo-0125": "2024-01-25", "mistral-large-2512": "2025-12-02", "phi-4-mini-instruct": "2025-02-26"}
"""In place of dates of the catalogue that are of other models."""

LINES = (
    # OpenAI: without reasoning, the chat window's, with reasoning at each effort, and for programming
    "gpt-4-0613 gpt-4-turbo-2024-04-09 gpt-4o-2024-05-13 gpt-4o-2024-08-06 gpt-4o-2024-11-20 gpt-4.1 gpt-5.1-none "
    "gpt-5.2-none gpt-5.4-none gpt-5.5-none gpt-5.6-sol-none",
    "gpt-3.5-turbo-0613 gpt-3.5-turbo-1106 gpt-3.5-turbo-0125 gpt-4o-mini gpt-4.1-mini gpt-5-mini-minimal "
    "gpt-5.4-mini-none",
    "gpt-4.1-nano gpt-5-nano-minimal gpt-5.4-nano-none",
    "chatgpt-4o-latest-2024-09 chatgpt-4o-latest-2025-03 gpt-5-chat gpt-5.3-instant gpt-5.5-instant-may-26",
    "o1-preview* o1* o3* gpt-5* gpt-5.1* gpt-5.2* gpt-5.4* gpt-5.5* gpt-5.6-sol* gpt-6-sol* gpt-6.1-sol*",
    "o1-mini* o3-mini* o4-mini* gpt-5-mini* gpt-5.4-mini*",
    "gpt-5-nano* gpt-5.4-nano*",
    "gpt-5.6-luna* gpt-6-luna*",
    "gpt-5-codex* gpt-5.1-codex* gpt-5.1-codex-max* gpt-5.2-codex* gpt-5.3-codex*",
    "gpt-5-pro* gpt-5.2-pro* gpt-5.4-pro* gpt-5.5-pro*",
    # Anthropic
    "claude-2.0 claude-2.1 claude-3-opus claude-opus-4 claude-opus-4.1 claude-opus-4.5",
    "claude-opus-4-thinking claude-opus-4.1-thinking claude-opus-4.5-thinking",
    "claude-opus-4.5* claude-opus-4.6* claude-opus-4.7* claude-opus-4.8* claude-opus-5* claude-opus-5.5*",
    "claude-opus-4.5-nothink-high claude-opus-4.6-nothink-high claude-opus-4.7-nothink-high",
    "claude-fable-5* claude-fable-5.1*",
    "claude-3-sonnet claude-3.5-sonnet-0620 claude-3.5-sonnet-1022 claude-3.7-sonnet claude-sonnet-4",
    "claude-sonnet-4 claude-sonnet-4.5-nothink",
    "claude-3.7-sonnet-thinking claude-sonnet-4-thinking claude-sonnet-4.5",
    "claude-sonnet-4.6-nothink-high claude-sonnet-5-nothink-high",
    "claude-sonnet-4.5* claude-sonnet-4.6* claude-sonnet-5* claude-sonnet-5.5*",
    "claude-instant-1.1 claude-instant-1.2 claude-3-haiku claude-3.5-haiku claude-haiku-4.5-nothink",
    # Google
    "gemini-1.0-pro gemini-1.5-pro gemini-1.5-pro-002 gemini-2.0-pro-exp-02-05",
    "gemini-2.5-pro-preview-03-25 gemini-2.5-pro-preview-05-06 gemini-2.5-pro gemini-3-pro-preview "
    "gemini-3.1-pro-preview",
    "gemini-1.5-flash gemini-1.5-flash-002 gemini-2.0-flash gemini-2.5-flash gemini-2.5-flash-preview-09-2025 "
    "gemini-3-flash-preview-nothink",
    "gemini-2.0-flash-thinking-exp-1219 gemini-2.0-flash-thinking-exp-0121 gemini-2.5-flash-thinking "
    "gemini-2.5-flash-preview-09-2025-thinking gemini-3-flash-preview",
    "gemini-3-flash-preview* gemini-3.5-flash* gemini-3.6-flash* gemini-3.7-flash* gemini-3.8-flash*",
    "gemini-1.5-flash-8b gemini-2.0-flash-lite gemini-2.5-flash-lite gemini-2.5-flash-lite-preview-09-2025",
    "gemini-2.5-flash-lite-thinking gemini-2.5-flash-lite-preview-09-2025-thinking gemini-3.1-flash-lite-preview "
    "gemini-3.5-flash-lite",
    "gemma-7b-it gemma-1.1-7b-it gemma-2-9b gemma-3-12b gemma-4-12b",
    "gemma-2b-it gemma-1.1-2b-it gemma-2-2b gemma-4-e2b",
    "gemma-2-27b gemma-3-27b gemma-4-31b",
    "gemma-3-4b gemma-3n-e4b-it gemma-4-e4b",
    # Meta
    "llama-2-70b-chat llama-3-70b-instruct llama-3.1-70b-instruct llama-3.3-70b-instruct",
    "llama-2-7b-chat llama-3-8b-instruct llama-3.1-8b-instruct",
    "llama-3.1-405b-instruct llama-4-maverick",
    "muse-spark* muse-spark-1.1* muse-spark-1.2* muse-spark-1.3*",
    # Mistral
    "mistral-large-2402 mistral-large-2407 mistral-large-2411 mistral-large-2512",
    "mistral-medium-2312 mistral-medium-2505 mistral-medium-2508 mistral-medium-3.5",
    "mistral-small-2402 mistral-small-2409 mistral-small-2501 mistral-small-2503 mistral-small-2506 mistral-small-4",
    "mistral-7b-instruct-v0.1 mistral-7b-instruct-v0.2 mistral-7b-instruct-v0.3 ministral-8b ministral-3-8b",
    "magistral-medium-2506 magistral-medium-1.2",
    "magistral-small-1 magistral-small-1.2",
    "devstral-small-may-25 devstral-small-jul-25 devstral-small-2",
    "devstral-medium devstral-2",
    # Alibaba, by size
    "qwen1.5-72b-chat qwen2-72b-instruct qwen2.5-72b-instruct",
    "qwen2.5-72b-instruct qwen3-235b-a22b-instruct-2507",
    "qwen3-235b-a22b qwen3-235b-a22b-instruct-2507 qwen3.5-397b-a17b-nothink",
    "qwen3-235b-a22b-thinking qwen3-235b-a22b-thinking-2507 qwen3.5-397b-a17b",
    "qwen1.5-32b-chat qwen2.5-32b-instruct qwen3.5-27b-nothink qwen3.6-27b-nothink",
    "qwq-32b-preview qwq-32b qwen3.5-27b qwen3.6-27b qwen3.8-27b",
    "qwen3-30b-a3b qwen3-30b-a3b-instruct-2507 qwen3.5-35b-a3b-nothink qwen3.6-35b-a3b-nothink",
    "qwen3-30b-a3b-thinking qwen3-30b-a3b-thinking-2507 qwen3.5-35b-a3b qwen3.6-35b-a3b",
    "qwen1.5-14b-chat qwen2.5-14b-instruct qwen3-14b",
    "qwen1.5-7b-chat qwen2-7b-instruct qwen2.5-7b-instruct qwen3-8b qwen3.5-9b-nothink",
    "qwen3-8b-thinking qwen3.5-9b",
    "qwen1.5-4b-chat qwen3-4b qwen3-4b-instruct-2507 qwen3.5-4b-nothink",
    "qwen3-4b-thinking qwen3-4b-thinking-2507 qwen3.5-4b",
    "qwen1.5-1.8b-chat qwen2-1.5b-instruct qwen2.5-1.5b-instruct qwen3-1.7b qwen3.5-2b-nothink",
    "qwen3-1.7b-thinking qwen3.5-2b",
    "qwen1.5-0.5b-chat qwen2-0.5b-instruct qwen2.5-0.5b-instruct qwen3-0.6b qwen3.5-0.8b-nothink",
    "qwen3-0.6b-thinking qwen3.5-0.8b",
    "codeqwen1.5-7b-chat qwen2.5-coder-7b-instruct",
    "qwen-max qwen3-max",
    "qwen3-max-thinking-preview qwen3-max-thinking qwen3.6-max-preview qwen3.7-max qwen3.8-max",
    "qwen3.6-plus qwen3.7-plus",
    "qwen2-vl-72b qwen2.5-vl-72b qwen3-vl-235b-a22b-instruct",
    # DeepSeek
    "deepseek-v2-chat deepseek-v2-chat-0628 deepseek-v2.5 deepseek-v2.5-1210 deepseek-v3 deepseek-v3-0324 "
    "deepseek-v3.1 deepseek-v3.1-terminus-nothink deepseek-v3.2-exp-nothink deepseek-v3.2-nothink "
    "deepseek-v4-pro-nothink",
    "deepseek-r1 deepseek-r1-0528 deepseek-v3.1-thinking deepseek-v3.1-terminus deepseek-v3.2-exp deepseek-v3.2 "
    "deepseek-v4-pro",
    "deepseek-v2-coder-0614 deepseek-v2-coder-0724",
    "deepseek-v4-flash-max deepseek-v4-flash-0731-max deepseek-v4.1-flash-max",
    "deepseek-v4-pro-max deepseek-v4-pro-0813-max",
    # xAI
    "grok-1.5 grok-2 grok-2-1212 grok-3 grok-4.20-0309-nothink",
    "grok-4* grok-4.20-0309* grok-4.3* grok-4.5* grok-4.6* grok-4.7*",
    "grok-4-fast grok-4.1-fast",
    "grok-4-fast-nothink grok-4.1-fast-nothink",
    # Zhipu, Moonshot, MiniMax, Xiaomi, StepFun
    "glm-4.5* glm-4.6* glm-4.7* glm-5* glm-5.1* glm-5.2* glm-5.3*",
    "glm-4.6-nothink glm-4.7-nothink glm-5-nothink glm-5.1-nothink glm-5.2-nothink",
    "glm-4.5v glm-4.6v",
    "glm-4.5v-nothink glm-4.6v-nothink",
    "kimi-k2 kimi-k2-0905 kimi-k2.5-nothink kimi-k2.6-nothink",
    "kimi-k2-thinking kimi-k2.5* kimi-k2.6* kimi-k3*",
    "minimax-m1-80k minimax-m2 minimax-m2.1 minimax-m2.5 minimax-m2.7 minimax-m3",
    "mimo-v2-flash mimo-v2.6-flash",
    "mimo-v2-pro mimo-v2.5-pro mimo-v2.6-pro",
    "step-3.5-flash step-3.7-flash",
    # Microsoft, Amazon, Cohere, NVIDIA and others
    "phi-3-mini-4k phi-3.5-mini phi-4-mini-instruct",
    "phi-3-medium-4k phi-4",
    "nova-lite-v1 nova-2.0-lite",
    "nova-pro-v1 nova-2.0-pro-preview",
    "command-r command-r-08-2024",
    "command-r-plus command-r-plus-08-2024 command-a-03-2025 command-a+",
    "llama-3.3-nemotron-super-49b-v1-thinking llama-nemotron-super-49b-v1.5-thinking",
    "llama-3.3-nemotron-super-49b-v1 llama-nemotron-super-49b-v1.5",
    "granite-3.0-8b-instruct granite-3.1-8b-instruct granite-3.2-8b-instruct granite-3.3-8b granite-4.1-8b "
    "granite-4.2-8b",
    "granite-4.1-30b granite-4.2-30b",
    "olmo-7b-instruct olmo-2-7b olmo-3-7b-instruct",
    "olmo-2-32b olmo-3.1-32b-instruct",
    "olmo-3-32b-think olmo-3.1-32b-think",
    "yi-34b-chat yi-1.5-34b-chat",
    "yi-6b-chat yi-1.5-6b-chat",
    "exaone-4.0-32b-thinking exaone-4.5-33b",
    "jamba-1.5-large jamba-1.6-large jamba-1.7-large",
    "jamba-1.5-mini jamba-1.6-mini jamba-1.7-mini",
    "reka-core reka-core-20240904",
    "reka-flash reka-flash-20240904 reka-flash-3",
    "solar-pro-2-thinking solar-pro-3 solar-pro-4",
    "ling-1t ling-2.6-1t",
    "ling-flash-2.0 ling-2.6-flash ling-3.0-flash",
    "ring-1t ring-2.6-1t",
    "hy3-preview-thinking hy3",
    "lfm2-1.2b lfm2.5-1.2b-instruct",
    "lfm2-8b-a1b lfm2.5-8b-a1b",
)
"""Each from old to new, separated by spaces; a star is each of EFFORTS, the same in both models of a pair."""


class Compared(NamedTuple):
    """Two models of a line: the line, its effort, what both were scored on, and why they are no pair, if they are none.

    gain, ahead: the mean over boards of the gain in logits, and the share of boards on which it is positive.
    """

    line: int
    effort: str
    older: str
    newer: str
    n_boards: int
    n_series: int
    gain: float
    ahead: float
    refused: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--all", action="store_true")
    asked = parser.parse_args()
    found = list(compared(asked.data))
    for two in found if asked.all else ():
        numbers = f"{two.gain:+.2f}, ahead on {two.ahead:.0%} of {two.n_boards} boards, {two.n_series} series"
        print(f"{two.older} < {two.newer}: {numbers}: {two.refused or 'stronger'}", file=sys.stderr)
    print(f"""\
\"""Generations: pairs of models (older, newer) of one family of which the newer is clearly the stronger in public.

Written by bench/generations.py, which holds the lines of models; do not change by hand. The newer of a pair is of the
same size class or tier, at the same reasoning setting (a bare name is what the publishers ran), and

{RULE}

No prediction of ours has a say.
\"""

from __future__ import annotations

PAIRS: list[tuple[str, str]] = [""")
    for older, newer in pairs(found):
        print(f'    ("{older}", "{newer}"),')
    print("]")


def pairs(found: Sequence[Compared]) -> list[tuple[str, str]]:
    """By the last point of `RULE`, in the order of the lines."""
    best: dict[tuple[str, str], Compared] = {}
    first: dict[tuple[int, str, str], Compared] = {}
    for two in found:
        if not two.refused:
            first.setdefault((two.line, two.effort, two.older), two)
    for two in first.values():
        bare = two.older.removesuffix(two.effort), two.newer.removesuffix(two.effort)
        if bare not in best or two.n_boards > best[bare].n_boards:
            best[bare] = two
    return [(two.older, two.newer) for two in best.values()]


def compared(folder: Path) -> Iterator[Compared]:
    """Each two models of each line that are published at all, the nearer ones first."""
    cards = read_scorecards(folder)
    row_of = {name: row for row, name in enumerate(cards.models)}
    rows = read_file_rows(folder / "catalogue.parquet", "catalogue")
    released = {row["model"]: row["released"] for row in rows} | RELEASED
    for number, line in enumerate(LINES):
        for effort in EFFORTS:
            at_effort = [name.replace("*", effort) for name in line.split() if "*" in name or not effort]
            names = [name for name in at_effort if name in row_of]
            dates = {name: released.get(name) or released.get(cards.bases[row_of[name]]) or "" for name in names}
            for older, newer in combinations(names, 2):
                gains, n_series = gained(cards, row_of[older], row_of[newer])
                gain, ahead = (gains.mean(), (gains > 0).mean()) if n_series else (np.nan, np.nan)
                refused = ""
                if "" < dates[newer] < dates[older]:
                    refused = f"released {dates[newer]}, before {dates[older]}"
                elif len(gains) < LEAST_BOARDS:
                    refused = "too few scores"
                elif gain < LEAST_GAIN or ahead < LEAST_AHEAD:
                    refused = "not clearly stronger"
                yield Compared(number, effort, older, newer, len(gains), n_series, gain, ahead, refused)


def gained(cards: Scorecards, older: int, newer: int) -> tuple[NDArray[np.float64], int]:
    """The gain of a model over another one on each board that has both, and how many series these boards have."""
    boards = defaultdict(list)
    change = cards.logits[newer] - cards.logits[older]
    for column in np.flatnonzero(np.isfinite(change)).tolist():
        boards[cards.series[column].board].append(change[column])
    return np.array([np.mean(board) for board in boards.values()]), sum(map(len, boards.values()))


if __name__ == "__main__":
    main()
