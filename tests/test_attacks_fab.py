"""FAB-T: its projection against a solver, its outcomes against the original."""

import numpy as np
import pytest
import torch
from attacks_support import as_floats, held_out, trained
from hypothesis import given, settings
from hypothesis import strategies as st
from pyautoattack.fab_pt import FABAttack_PT
from scipy.optimize import linprog, minimize

from tradeoff.attacks.engine import attack
from tradeoff.attacks.fab import to_hyperplane
from tradeoff.attacks.threat import threat


def solved(x: np.ndarray, normal: np.ndarray, value: float, norm: str) -> float:
    """The least norm of a step to the hyperplane inside the box, by scipy."""
    n = len(x)
    if norm == "linf":
        # Minimise t with |d| <= t, normal · d = -value, 0 <= x + d <= 1.
        eye, one = np.eye(n), -np.ones((n, 1))
        found = linprog(
            np.append(np.zeros(n), 1),
            A_ub=np.block([[eye, one], [-eye, one]]),
            b_ub=np.zeros(2 * n),
            A_eq=np.append(normal, 0)[None],
            b_eq=[-value],
            bounds=[(-a, 1 - a) for a in x] + [(0, None)],
        )
        return found.fun
    found = minimize(
        lambda d: d @ d,
        np.zeros(n),
        jac=lambda d: 2 * d,
        bounds=[(-a, 1 - a) for a in x],
        constraints={"type": "eq", "fun": lambda d: normal @ d + value, "jac": lambda d: normal},
        options={"ftol": 1e-12, "maxiter": 500},
    )
    return float(np.sqrt(found.fun))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), share=st.floats(0.01, 0.95), norm=st.sampled_from(["linf", "l2"]))
def test_the_step_is_the_shortest_to_the_hyperplane_in_the_box(seed, share, norm):
    random = np.random.default_rng(seed)
    x, normal = random.random(12), random.normal(size=12)
    x[:2], normal[2] = (0, 1), 0
    reach = np.where(normal < 0, x, 1 - x) @ np.abs(normal)
    value = -share * reach  # the box reaches the plane
    shape = (1, 3, 2, 2)
    d = to_hyperplane(
        torch.from_numpy(x).view(shape), torch.from_numpy(normal).view(shape), torch.tensor([value]), norm
    ).numpy().ravel()  # fmt: skip
    assert normal @ d == pytest.approx(-value, rel=1e-9)
    assert (x + d).min() >= -1e-12
    assert (x + d).max() <= 1 + 1e-12
    size = np.abs(d).max() if norm == "linf" else np.sqrt(d @ d)
    assert size == pytest.approx(solved(x, normal, value, norm), rel=1e-5)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_a_plane_out_of_reach_sends_to_the_nearest_corner(norm):
    x = torch.full((1, 3, 1, 1), 0.25)
    normal = torch.tensor([1.0, -2.0, 0.0]).view(1, 3, 1, 1)
    step = to_hyperplane(x, normal, torch.tensor([-100.0]), norm)
    assert torch.allclose((x + step).ravel(), torch.tensor([1.0, 0.0, 0.25]))


@pytest.mark.parametrize(("norm", "name", "epsilon"), [("linf", "Linf", 0.08), ("l2", "L2", 0.6)])
def test_outcomes_agree_with_the_original(norm, name, epsilon):
    model = trained()
    images, labels, ids = held_out(100)
    ours = attack(
        model,
        images,
        labels,
        ids,
        threat({"attack": "fab", "norm": norm, "steps": 10, "targets": 3}, epsilon),
        0,
    )
    original = FABAttack_PT(
        model, norm=name, n_iter=10, eps=epsilon, targeted=True, device="cpu", n_target_classes=3
    )
    x, y = as_floats(images), torch.from_numpy(labels)
    theirs = (model(original.perturb(x, y)).argmax(1) != y).numpy()
    assert 10 < theirs.sum() < 90
    assert (ours.fooled == theirs).mean() >= 0.99
