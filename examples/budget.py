"""Spend at most so much a day, however many calls come. Run: python examples/budget.py"""

from scope_edge import Budget, Router, Tradeoff

router = Router.load()
# With store="budget.db" it outlives this process, and others may spend from it too.
with Budget(0.02, per="day", within=Tradeoff(forbid="gpt-4o-2024*")) as budget:
    for number in (17, 23, 31):
        decision = router.route(f"What is {number} times {number + 4}?", policy=budget)
        if not decision.met:
            print(decision.reason)
            break
        # In earnest: call the model, then report what it has cost; cancel(decision) if it was not called.
        budget.settle(decision, 0.9 * decision.cost_usd)
        print(f"{decision.model}: {decision.reason}")
    print(f"{budget.calls} calls, {budget.spent_usd:.6f} USD; {budget.left_usd:.6f} left until {budget.period_end}")
