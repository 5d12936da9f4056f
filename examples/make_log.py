"""Write an invented log of requests with a price list, for docs/tutorial.md. Run: python examples/make_log.py

The same files every time: six models of a made-up maker, about 2,000 requests of a help desk for developers, and what
a reviewer thought of each answer. As in any log some rows are broken.
"""

import argparse
import json
import math
import random
from pathlib import Path

# name: skill, strongest topic, tokens of a typical answer, USD per million tokens in and out
MODELS = {
    "acme/pebble-3b": (-1.0, "summary", 90, 0.04, 0.08),
    "acme/cobble-8b": (-0.5, "translate", 130, 0.1, 0.2),
    "acme/boulder-70b": (0.2, "sql", 190, 0.6, 0.9),
    "acme/crag": (0.8, "code", 260, 2.0, 8.0),
    "acme/summit": (1.4, "maths", 320, 5.0, 20.0),
    "acme/summit-thinking": (2.1, "maths", 1500, 5.0, 20.0),
}
TOPICS = {
    "code": "Write a Python function that {verb} the {thing} of {n} customers, with tests for {m} edge cases.",
    "sql": "Our table {thing} has {n} million rows. Which index makes a query fast that {verb} the last {m} days?",
    "maths": "A server for {thing} costs {n} euros and loses {m} percent a year. When is it worth less than half?",
    "translate": "Translate into Welsh: 'The {thing} that you {verb} on page {n} was changed {m} times.'",
    "summary": "Summarise the incident of the {thing} in {m} sentences for a manager who {verb} {n} reports a day.",
}
VERBS = ["sorts", "counts", "merges", "reads", "deletes", "compares", "prints", "checks"]
THINGS = ["orders", "invoices", "tickets", "sessions", "parcels", "contracts", "sensors", "messages", "licences"]


def requests(n_prompts: int, models: list[str], rng: random.Random) -> list[dict]:
    rows = []
    for number in range(n_prompts):
        topic = rng.choice(list(TOPICS))
        n, m = rng.randrange(2, 400), rng.randrange(2, 30)
        prompt = TOPICS[topic].format(verb=rng.choice(VERBS), thing=rng.choice(THINGS), n=n, m=m)
        for model in models:
            skill, best_at, length, _, _ = MODELS[model]
            chance = 1 / (1 + math.exp(-(skill + 2.5 * (topic == best_at) - (n - 200) / 200)))
            reasoning = int(rng.lognormvariate(7, 0.4)) if "thinking" in model else 0
            rows.append(
                {
                    "id": f"req-{number:04}-{list(MODELS).index(model)}",
                    "startTime": 1_760_000_000 + 40 * number,
                    "model": model,
                    "messages": [
                        {"role": "system", "content": "You help developers."},
                        {"role": "user", "content": prompt},
                    ],
                    "usage": {
                        "prompt_tokens": len(prompt) // 4 + 12,
                        "completion_tokens": reasoning + int(length * rng.lognormvariate(0, 0.35)),
                        "completion_tokens_details": {"reasoning_tokens": reasoning},
                    },
                    "score": float(rng.random() < chance),
                }
            )
    return rows


def break_some(lines: list[str]) -> list[str]:
    """What goes wrong in real logs: an unfinished line, a score of another scale, one that was never given."""
    lines[100] = lines[100][:60]
    lines[200] = lines[200].replace('"score": 1.0', '"score": 5').replace('"score": 0.0', '"score": 5')
    lines[300] = lines[300].replace('"score": 1.0', '"score": null').replace('"score": 0.0', '"score": null')
    return lines


def entry(price_in: float, price_out: float) -> dict:
    return {
        "input_cost_per_token": price_in / 1e6,
        "output_cost_per_token": price_out / 1e6,
        "cache_read_input_token_cost": price_in / 1e7,
        "max_input_tokens": 32768,
        "litellm_provider": "acme",
        "mode": "chat",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("log"))
    parser.add_argument("--prompts", type=int, default=400, help="how many prompts; five models answer each")
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    newcomer, *known = reversed(MODELS)
    rng = random.Random(7)
    lines = break_some([json.dumps(row) for row in requests(asked.prompts, known[::-1], rng)])
    (asked.folder / "requests.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")

    joining = requests(60, [newcomer], rng)
    rows = [
        {"prompt": row["messages"][1]["content"], "score": row["score"],
         "output_tokens": row["usage"]["completion_tokens"], "input_tokens": row["usage"]["prompt_tokens"]}
        for row in joining
    ]  # fmt: skip
    (asked.folder / "newcomer.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")

    new = requests(40, [newcomer], rng)
    prompts = [row["messages"][1]["content"] for row in new]
    (asked.folder / "tomorrow.txt").write_text("\n".join(prompts) + "\n", encoding="utf-8")

    # Names as price lists have them: without the maker here, with other capitals there.
    named = {name.removeprefix("acme/").replace("boulder", "Boulder"): entry(*MODELS[name][3:]) for name in MODELS}
    prices = {"_date": "2026-11-01", **named}
    (asked.folder / "prices.json").write_text(json.dumps(prices, indent=1) + "\n", encoding="utf-8")
    print(f"{len(lines):,} requests, {len(rows)} outcomes of a new model, {len(prompts)} prompts and a price list")


if __name__ == "__main__":
    main()
