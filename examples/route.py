"""Route a prompt and look at what was expected of every model. Run: python examples/route.py"""

from scope_edge import Router

router = Router.load()
prompt = "A train leaves at 9:40 and arrives at 13:05 after a stop of 25 minutes. How long did it move?"

for alpha in (0.0, 0.5, 1.0):
    decision = router.route(prompt, alpha=alpha)
    print(f"alpha {alpha:.1f}: {decision.model}, P {decision.p_correct:.2f}, {decision.cost_usd:.6f} USD")

plan = router.route_batch([prompt, "Translate 'good morning' into Welsh."], value_usd=0.01)
print(plan.models, f"{plan.expected_cost_usd:.6f} USD")
