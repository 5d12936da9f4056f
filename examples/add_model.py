"""Let a model of your own join from its results on a few prompts. Run: python examples/add_model.py"""

from scope_edge import Price, Router

router = Router.load()
# In earnest: a few dozen rows or more, from your own logs or evaluation.
outcomes = [
    {"prompt": "What is 17 * 23?", "score": 1.0, "output_tokens": 60},
    {"prompt": "What is the integral of x * exp(x)?", "score": 1.0, "output_tokens": 240},
    {"prompt": "Who was consul of Rome in 63 BC beside Cicero?", "score": 0.0, "output_tokens": 45},
]
router.add_model("my/model", outcomes, price=Price(input_usd_per_mtok=0.1, output_usd_per_mtok=0.4))

estimates = router.estimate("What is 19 * 31?", models="my/*")
print(f"P {estimates.p_correct[0]:.2f} (80%: {estimates.p_low[0]:.2f} to {estimates.p_high[0]:.2f})")
router.remove_model("my/model")
