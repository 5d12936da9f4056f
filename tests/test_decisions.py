from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra 'train': torch is not installed")


def test_an_advantage_is_what_a_model_did_better_than_its_group():
    from scope_edge.train.decisions import advantage

    rewards = torch.tensor([[1.0, 0.0, 0.5, 9.0], [0.3, 0.3, 9.0, 9.0], [0.7, 9.0, 9.0, 9.0]])
    known = torch.tensor([[1.0, 1.0, 1.0, 0.0], [1.0, 1.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0]])
    found = advantage(rewards, known).numpy()
    assert found[0] == pytest.approx([np.sqrt(1.5), -np.sqrt(1.5), 0, 0], abs=1e-6)
    assert found[1:] == pytest.approx(np.zeros((2, 4)), abs=1e-6)


@pytest.mark.parametrize(
    ("truth", "guess", "reward"),
    [
        (1000, 1250, 1),
        (1000, 750, 1),
        (1000, 1375, 0.5),
        (1000, 1500, 0),
        (1000, 10_000, 0),
        (20, 110, 1),
        (20, 170, 0.5),
    ],
)
def test_a_length_is_rewarded_within_a_quarter_and_not_beyond_a_half(truth, guess, reward):
    from scope_edge.train.decisions import length_reward

    found = length_reward(torch.tensor([guess]).log1p(), torch.tensor([truth]).log1p())
    assert found.item() == pytest.approx(reward, abs=1e-3)


def test_the_step_teaches_the_better_and_cheaper_model():
    from scope_edge.train.decisions import reward_decisions
    from scope_edge.train.response import Labels
    from scope_edge.train.student import Lessons, Student, StudentShape

    torch.manual_seed(0)
    n, models = 64, 2
    shape = StudentShape(50, 32, token_dim=8, trigram_dim=8, hidden=16, embedding_dim=8, rank=3, length_rank=2)
    student = Student(shape)
    rng = np.random.default_rng(0)
    zeros = np.zeros((n, models), np.float16)
    lessons = Lessons(
        ids=[rng.integers(1, 50, 5).astype(np.int32) for _ in range(n)],
        surface=rng.normal(size=(n, 14)).astype(np.float32),
        trigrams=rng.normal(size=(n, 32)).astype(np.float16),
        embeddings=np.zeros((n, 4), np.float16), logits=zeros, log_tokens=zeros + np.float16(3),
        labels=Labels(np.tile(np.array([0, 1], np.float32), (n, 1)), np.full((n, models), 3, np.float32)),
    )  # fmt: skip
    theta, psi = np.zeros((models, 3), np.float32), np.zeros((models, 2), np.float32)
    head = student.head.weight.detach().clone()
    after, lengths = reward_decisions(
        student, theta, psi, lessons, np.full((2, models), 1e-6, np.float32), epochs=20, seed=0, learning_rate=3e-2
    )
    assert after[1, 0] > after[0, 0] + 0.1
    assert not torch.equal(student.head.weight, head)
    assert not student.training
    assert np.isfinite(lengths).all()
