"""The command that asks a model and adds it: fingerprint."""

from __future__ import annotations

import asyncio
import hashlib
import math
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

from scope_edge.bundle import check_target
from scope_edge.cli.options import BundlePath, Json, console, print_json, progress
from scope_edge.cli.questions import Data, offered_questions
from scope_edge.errors import UsageError
from scope_edge.names import counted
from scope_edge.pricing import Price
from scope_edge.router import Router

if TYPE_CHECKING:
    from scope_edge.fingerprinting import Fingerprinting, Summary

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(fingerprint)


def fingerprint(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="The model's name at the endpoint.")],
    base_url: Annotated[str, typer.Option("--base-url", metavar="URL", help="Such as https://api.openai.com/v1.")],
    questions: Annotated[
        str,
        typer.Option(
            "--questions",
            metavar="FILE",
            help="Questions with id, prompt, answer and grader (see 'scope-edge questions -h'); 'anchors' for those of "
            "the bundle (see --data); 'probe' for generated ones, which count less.",
        ),
    ],
    price_in: Annotated[float, typer.Option("--price-in", help="USD per million input tokens; 0 if it is free.")],
    price_out: Annotated[float, typer.Option("--price-out", help="USD per million output tokens; 0 if it is free.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="PATH", help="Where the larger bundle is written.")],
    name: Annotated[
        str | None, typer.Option("--name", help="Its name in the bundle; the one at the endpoint if left out.")
    ] = None,
    data: Data = None,
    until: Annotated[
        float | None,
        typer.Option(
            "--until", metavar="WIDTH", help="Stop when half of the accuracy's 80% interval is so narrow, as 0.05."
        ),
    ] = None,
    max_questions: Annotated[
        int | None, typer.Option("--max-questions", metavar="N", help="Ask so many at most.")
    ] = None,
    max_usd: Annotated[
        float | None, typer.Option("--max-usd", metavar="USD", help="Send nothing that could cost more, all together.")
    ] = None,
    concurrency: Annotated[
        int, typer.Option("--concurrency", metavar="N", help="Questions chosen, and under way, at once.")
    ] = 8,
    at_random: Annotated[
        bool, typer.Option("--random", help="Ask in random order, not the most telling question next.")
    ] = False,
    seed: Annotated[int, typer.Option("--seed", help="Seed of every random choice.")] = 0,
    api_key_env: Annotated[
        str | None,
        typer.Option(
            "--api-key-env",
            metavar="VARIABLE",
            help="The environment variable with the key; if left out OPENAI_API_KEY, which need not be set.",
        ),
    ] = None,
    max_tokens: Annotated[
        int | None,
        typer.Option(
            "--max-tokens", metavar="N", help="Limit of an answer; by default none, so that thinking may end."
        ),
    ] = None,
    temperature: Annotated[
        float, typer.Option("--temperature", help="A negative one is left out of the request.")
    ] = 0.0,
    count_truncated: Annotated[
        bool, typer.Option("--count-truncated", help="An answer cut by a limit of length is wrong, not missing.")
    ] = False,
    timeout_s: Annotated[
        float,
        typer.Option("--timeout-s", metavar="SECONDS", help="For a whole answer; a third of it to the first token."),
    ] = 1800.0,
    work: Annotated[
        Path | None,
        typer.Option("--work", metavar="FILE", help="What came back is kept here, beside --out if left out."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be asked first and what it may cost; send nothing.")
    ] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Replace a model of the same name.")] = False,
    bundle: BundlePath = None,
    as_json: Json = False,
) -> None:
    """Ask a model behind an OpenAI-compatible endpoint, and add it to a bundle (needs the extra 'fingerprint').

    The most telling question comes next. A call that failed is missing, never wrong. A stopped run goes on where it
    was when the same command is given again, and pays no answer twice.

    [dim]scope-edge fingerprint my/model --base-url http://127.0.0.1:8000/v1 --questions mine.jsonl
    --price-in 0 --price-out 0 --until 0.05 --out my-bundle[/dim]
    """
    # Not every command needs these.
    from scope_edge.endpoint import Endpoint, Patience
    from scope_edge.fingerprinting import Fingerprinting, Ledger, Limits, question_hash

    for option, value, holds, expected in (
        ("--concurrency", concurrency, concurrency >= 1, "1 or more"),
        ("--max-tokens", max_tokens, max_tokens is None or max_tokens >= 1, "1 or more"),
        ("--temperature", temperature, math.isfinite(temperature), "a finite number"),
        ("--timeout-s", timeout_s, 0 < timeout_s < math.inf, "seconds above 0"),
    ):
        if not holds:
            raise UsageError(f"Bad {option}", expected=expected, got=repr(value))
    name = model if name is None else name
    target = check_target(out)
    router = Router.load(bundle)
    if name in router.everyone.names and not replace:
        raise UsageError(f"The pool has a model {name!r} already", remedy="Give --replace, or another --name.")
    price = Price(price_in, price_out)
    limits = Limits(max_questions, max_usd, until, concurrency, count_truncated, at_random, seed)
    offered = offered_questions(questions, bundle, data)
    endpoint = Endpoint(
        base_url, model, price,
        api_key=_api_key(api_key_env),
        temperature=None if temperature < 0 else temperature,
        max_tokens=max_tokens,
        patience=Patience(first_token_s=timeout_s / 3, whole_s=timeout_s),
    )  # fmt: skip
    header = {
        "model": model, "base_url": endpoint.base_url, "questions": question_hash(offered), "price_in": price_in,
        "price_out": price_out, "temperature": temperature, "max_tokens": max_tokens, "round": concurrency,
        "random": at_random, "seed": seed, "count_truncated": count_truncated,
        "pool": _short_hash(sorted(set(router.everyone.names) - {name})),
    }  # fmt: skip
    file = target.with_name(f"{target.name}.asked.jsonl") if work is None else work
    if dry_run:
        with Ledger(file, header, kept=False) as ledger:
            _show_plan(Fingerprinting(router, name, offered, price, ledger, limits), as_json)
        return

    async def run(job: Fingerprinting) -> None:
        with _Bar(job, limits.max_usd) as bar:
            async with endpoint:
                await job.run(endpoint.ask, bar.show)

    with Ledger(file, header) as ledger:
        job = Fingerprinting(router, name, offered, price, ledger, limits)
        try:
            asyncio.run(run(job))
            latest = Router.load(bundle)  # asking took its time, in which others may have changed the bundle
            summary = job.add(replace=replace, to=latest)
            latest.save(target)
        except KeyboardInterrupt:
            kept = f"what was answered is kept in {file}" if ledger.records else "nothing was answered yet"
            sys.stderr.write(f"scope-edge: stopped; {kept}: run the same command again\n")
            sys.exit(130)
    if as_json:
        print_json({"bundle": str(out), "ledger": str(file), "model": name, **asdict(summary)})
    else:
        _show(name, summary, out)


def _api_key(variable: str | None) -> str:
    """The key in the variable that was named, which must have one; else that of the usual one, if any."""
    if variable is None:
        return os.environ.get("OPENAI_API_KEY", "")
    key = os.environ.get(variable, "")
    if not key.strip():
        raise UsageError(
            f"The environment variable {variable} of --api-key-env has no key",
            remedy="Set it, or leave the option out for an endpoint that takes none.",
        )
    return key


def _short_hash(names: list[str]) -> str:
    return hashlib.blake2b("\n".join(names).encode(), digest_size=8).hexdigest()


class _Bar:
    """Questions done, time left, accuracy with its interval, USD and failures, on standard error."""

    def __init__(self, job: Fingerprinting, max_usd: float | None) -> None:
        self._job = job
        self._most = "" if max_usd is None else f" of {max_usd:g}"
        self._progress = progress(
            BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}")
        )
        self._task = self._progress.add_task("", total=job.most)
        self._rounds, self._interval = -1, ""

    def __enter__(self) -> _Bar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, job: Fingerprinting) -> None:
        """Show how it stands; the interval is worked out once a round."""
        if self._progress.disable:
            return
        if job.rounds != self._rounds:
            interval, self._rounds = job.interval, job.rounds
            self._interval = f"{interval.mean:.1%} ±{interval.half_width:.1%}"
        records = job.records
        missing = sum(record.score is None for record in records)
        text = f"right {self._interval}  {job.ledger.cost_usd:.4f}{self._most} USD  {missing} missing"
        self._progress.update(self._task, completed=len(records), description=text)


def _show_plan(job: Fingerprinting, as_json: bool) -> None:
    """What would be asked next, and what all of it may cost a model of which nothing is known."""
    first = [job.questions[row].id for row in job.next_round()]
    asked, spent_usd, max_usd = len(job.asked), job.ledger.cost_usd, job.limits.max_usd
    more = job.most - asked if first else 0
    each = float(job.forecast.expected_usd().mean())
    if first and max_usd is not None and more * each > max_usd - spent_usd:
        more = max(len(first), int((max_usd - spent_usd) / each))
    plan: dict[str, Any] = {
        "questions": len(job.questions),
        "asked": asked,
        "spent_usd": spent_usd,
        "asked_at_most": asked + more,
        "first_round": first,
        "expected_usd": more * each,
        "interval_before": asdict(job.interval),
        "stopped": job.stopped,
    }
    if as_json:
        print_json(plan)
        return
    before = f"{asked} asked already, for {spent_usd:.4f} USD; " if asked else ""
    console.print(
        f"{before}{asked + more:,} of {counted(len(job.questions), 'question')} at most, "
        f"for about {more * each:.4f} USD{' more' if asked else ''}"
    )
    console.print(f"First: {escape(', '.join(first))}" if first else f"Nothing is asked: {job.stopped}")


def _show(name: str, summary: Summary, out: Path) -> None:
    console.print(f"Added [bold]{escape(name)}[/] to {escape(str(out))}: {escape(summary.stopped)}")
    console.print(
        f"  {counted(summary.asked, 'question')} asked, {summary.right:g} of {summary.verdicts} right; accuracy over "
        f"{summary.accuracy_over} {summary.accuracy:.1%} ±{summary.half_width:.1%} (80%)"
    )
    missing = ", ".join(f"{count} {kind}" for kind, count in summary.missing.items())
    if missing:
        console.print(f"  missing, and not counted as wrong: {missing}")
    tokens = "output tokens not told"
    if summary.output_tokens is not None:
        told = "not told how many" if summary.reasoning_tokens is None else f"{summary.reasoning_tokens:,}"
        tokens = f"{summary.output_tokens:,} output tokens, {told} of them reasoning"
    console.print(f"  {summary.cost_usd:.4f} USD, {tokens}")
    if summary.time_to_first_token_s is not None and summary.tokens_per_second is not None:
        speed = f"{summary.tokens_per_second:.0f} tokens/s"
        console.print(f"  first token after {summary.time_to_first_token_s:.2f} s, then {speed} (medians)")
    console.print(
        f"  about {counted(summary.random_equivalent, 'random question')} would tell as much: {summary.saved} saved"
    )
