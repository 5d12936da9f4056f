"""Keep a conversation on its model until another is worth reading it anew. Run: python examples/conversation.py"""

from scope_edge import Price, Router

router = Router.load()
# In earnest: the prices of your providers. What they ask for cached input is what makes staying cheap.
router.describe_model("gpt-4o-2024-11-20", price=Price(2.5, 10.0, cached_input_usd_per_mtok=0.25))
router.describe_model("gpt-5.1-medium", price=Price(1.25, 10.0, cached_input_usd_per_mtok=0.125))

turns = [
    "What is the integral of x * exp(x)?",
    "And from 0 to 1, as a number?",
    "def area(n): ...  # Write this as a trapezoidal sum with n steps.",
    "Prove that its error falls with the square of n.",
    "Who found this rule, and in which century?",
    "Thanks! Say all of it again in one sentence of plain English.",
]
for mode in ("sticky", "escalate_only", "free"):
    session = router.session(mode, alpha=0.6, models=["gpt-4o-2024-11-20", "gpt-5.1-medium"])
    cost_usd = 0.0
    print(f"{mode}:")
    for turn in turns:
        decision = session.route(turn)
        cost_usd += decision.cost_usd
        print(f"  {decision.model}: {decision.reason}")
        session.answered(output_tokens=900)  # in earnest: the count that came with the answer
    print(f"  {session.switches} switches, {cost_usd:.4f} USD, {session.context_tokens:.0f} tokens in the end")
