"""Four hundred random mixtures with thin, light and tilted components: are their numbers right, or refused?

    PYTHONPATH=tests python tests/support/drill.py 400   all of them, against the rule below; then 200 random fits

The rule is scipy's: double-exponential nodes (`tanhsinh`) between all places where a log-density bends, which are
roots of quadratics, and in the plane `cubature` over the lines. It shares nothing with kdlab but the mixtures.
"""

import math
import sys
import time
from typing import Any

import numpy as np
from scipy.integrate import cubature, tanhsinh

from kdlab import GaussianMixture, fit_mixture

RADIUS = 8.2
SETTLED = 1e-9  # nats: what the rule is asked for, a thousandth of the promise


def random_pair(i: int) -> tuple[GaussianMixture, GaussianMixture]:
    """Mixture ``i`` of the drill and one to compare it with: widths that differ by up to 1e4, weights down to 1e-12."""
    rng = np.random.default_rng([17, i])
    return _random_mixture(1 + i % 2, rng), _random_mixture(1 + i % 2, rng)


def _random_mixture(dim: int, rng: np.random.Generator) -> GaussianMixture:
    n = int(rng.integers(2, 4))
    weights = 10 ** rng.uniform(-12, 0, n) if rng.random() < 0.3 else rng.dirichlet(np.ones(n))
    thinnest = rng.uniform(-4, -1)
    roots = []
    for _ in range(n):
        widths = 10 ** rng.uniform(thinnest, 0, dim)
        angle = rng.uniform(0, math.pi) if dim == 2 and rng.random() < 0.7 else 0.0
        turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])[:dim, :dim]
        roots.append(turn * widths)
    roots[int(rng.integers(n))][:] = np.eye(dim)
    centres = rng.normal(0, 1, (n, dim))
    if rng.random() < 0.5:  # one upon another, as students on few points are
        centres[:] = centres[0] + 0.02 * rng.normal(size=(n, dim))
    covariances = [0.5 * (root @ root.T + (root @ root.T).T) for root in roots]
    return GaussianMixture(weights / weights.sum(), centres, covariances)


def mean_log_prob(model: GaussianMixture, of: GaussianMixture) -> float:
    """E_{x ~ model} [ log of(x) ], nats."""
    over = _over_line if model.dim == 1 else _over_plane
    return sum(
        float(weight) * over(mean, root, of, SETTLED / (float(weight) * model.n_components))
        for weight, mean, root in zip(model.weights, model.means, model.choleskys, strict=True)
        if weight > 0
    )


def _over_line(mean: Any, root: Any, of: GaussianMixture, error: float) -> float:
    deviations = np.sqrt(of.covariances[:, 0, 0]) / root[0, 0]
    means = (of.means[:, 0] - mean[0]) / root[0, 0]
    heights = of.log_weights - np.log(deviations * math.sqrt(2 * math.pi))
    return float(_lines(heights[None], means[None], deviations, error)[0]) - math.log(root[0, 0])


def _over_plane(mean: Any, root: Any, of: GaussianMixture, error: float) -> float:
    inverse = np.linalg.inv(root)
    means = (of.means - mean) @ inverse.T
    factors = inverse @ of.choleskys
    turn = np.linalg.svd(factors[np.linalg.svd(factors)[1][:, 1].argmin()])[0]
    means, factors = means @ turn, turn.T @ factors
    variances = (factors[:, 0] ** 2).sum(axis=1)
    slopes = (factors[:, 0] * factors[:, 1]).sum(axis=1) / variances
    areas = np.abs(np.linalg.det(factors))
    deviations, heights = areas / np.sqrt(variances), of.log_weights - np.log(2 * math.pi * areas)

    def bell(x: Any) -> Any:
        apart = x - means[:, 0]
        found = _lines(heights - 0.5 * apart**2 / variances, means[:, 1] + slopes * apart, deviations, 0.1 * error)
        return found * np.exp(-0.5 * x[:, 0] ** 2) / math.sqrt(2 * math.pi)

    one, other = np.triu_indices(len(slopes), 1)
    one, other = (some[slopes[one] != slopes[other]] for some in (one, other))
    starts, turning = means[:, 1] - slopes * means[:, 0], slopes[one] - slopes[other]
    crossings = (starts[other] - starts[one]) / turning
    reach = (deviations[one] + deviations[other]) / np.abs(turning)
    steps = np.array([-36.0, -6.0, -1.0, 0.0, 1.0, 6.0, 36.0])
    marks = np.append(means[:, 0], crossings)[:, None] + steps * np.append(np.sqrt(variances), reach)[:, None]
    places = np.concatenate([np.linspace(-RADIUS, RADIUS, 7), marks.ravel()])
    cuts = np.unique(np.clip(places, -RADIUS, RADIUS))
    total = sum(
        float(cubature(bell, [a], [b], atol=error / len(cuts), rtol=0, max_subdivisions=300).estimate)
        for a, b in zip(cuts[:-1], cuts[1:], strict=True)
    )
    return total - float(np.log(np.diagonal(root)).sum())


def _lines(heights: Any, means: Any, deviations: Any, error: float) -> Any:
    """(R,): the mean under N(0, 1) of log sum exp(heights - ((z - means) / deviations)^2 / 2), row by row."""
    cuts = _bends(heights, means, deviations)

    def term(z: Any, row: Any) -> Any:
        row = row.astype(int)
        apart = (z[..., None] - means[row]) / deviations
        scores = heights[row] - 0.5 * apart**2
        top = scores.max(axis=-1)
        return (top + np.log(np.exp(scores - top[..., None]).sum(axis=-1))) * np.exp(-0.5 * z**2)

    rows = np.repeat(np.arange(len(cuts)), cuts.shape[1] - 1)
    left, right = cuts[:, :-1].ravel(), cuts[:, 1:].ravel()
    some = right - left > 1e-13
    found = tanhsinh(term, left[some], right[some], args=(rows[some],), atol=error / cuts.shape[1], rtol=1e-12)
    return np.bincount(rows[some], found.integral, len(cuts)) / math.sqrt(2 * math.pi)


def _bends(heights: Any, means: Any, deviations: Any) -> Any:
    """(R, C): where two components are equally dense, and some deviations to each side of every mean."""
    tight = 1 / deviations**2
    marks = [means + step * deviations for step in (-40.0, -8.0, -1.5, 0.0, 1.5, 8.0, 40.0)]
    for j in range(len(deviations)):
        for k in range(j):
            a = -0.5 * (tight[j] - tight[k])
            b = means[:, j] * tight[j] - means[:, k] * tight[k]
            c = heights[:, j] - heights[:, k] - 0.5 * (means[:, j] ** 2 * tight[j] - means[:, k] ** 2 * tight[k])
            with np.errstate(invalid="ignore", divide="ignore"):
                steep = b + np.where(b >= 0, 1, -1) * np.sqrt(b * b - 4 * a * c)
                marks += [np.stack([-0.5 * steep / a if a else np.nan * b, -2 * c / steep], axis=1)]
    inside = np.nan_to_num(np.concatenate(marks, axis=1), nan=RADIUS, posinf=RADIUS, neginf=-RADIUS)
    ends = np.tile(np.linspace(-RADIUS, RADIUS, 5), (len(heights), 1))
    return np.sort(np.clip(np.concatenate([ends, inside], axis=1), -RADIUS, RADIUS), axis=1)


def judged(i: int) -> tuple[float, list[str]]:
    """The largest error of pair ``i``'s numbers, nats (relative above a million), and what was refused."""
    one, other = random_pair(i)
    worst, refused = 0.0, []
    for model, of in ((one, other), (other, one), (one, one)):
        try:
            ours = model.expected_log_prob(of).value
        except ValueError as refusal:
            refused.append(str(refusal))
            continue
        worst = max(worst, abs(ours - mean_log_prob(model, of)) / max(1.0, 1e-6 * abs(ours)))
    return worst, refused


def fits_agree(i: int) -> None:
    """Fit random points ``i``, and the same in other units, another order, mirrored and moved: the same students."""
    rng = np.random.default_rng([18, i])
    dim, family = 1 + i % 2, ("diag", "full", "spherical")[i % 3]
    points = _random_mixture(dim, rng).sample(int(rng.integers(20, 200)), rng)
    k = int(rng.integers(1, 4))
    units = 10 ** rng.uniform(-6, 6, 1 if family == "spherical" else dim) * np.ones(dim)
    signs = rng.choice([-1.0, 1.0], dim)
    shift = rng.normal(0, 3, dim) * points.std(axis=0)
    order = rng.permutation(len(points))
    here = fit_mixture(points, k, covariance=family)
    there = fit_mixture(((points * signs + shift) * units)[order], k, covariance=family)
    back = there.log_likelihood + float(np.log(units).sum())
    np.testing.assert_allclose(back, here.log_likelihood, atol=2e-6)
    one, other = here.model, there.model
    means = (other.means / units - shift) * signs
    pairs = [int(np.abs((means - mean) / points.std(axis=0)).sum(axis=1).argmin()) for mean in one.means]
    np.testing.assert_allclose(means[pairs], one.means, atol=1e-3 * points.std())
    np.testing.assert_allclose(other.weights[pairs], one.weights, atol=1e-3)


if __name__ == "__main__":
    wrong = refusals = 0
    for i in range(int(sys.argv[2]) if len(sys.argv) > 2 else 0, int(sys.argv[1])):
        begun = time.perf_counter()
        error, no = judged(i)
        wrong, refusals = wrong + (error > 1e-6), refusals + bool(no)
        print(f"{i}: error {error:.1e}, {len(no)} refused, {time.perf_counter() - begun:.1f} s", flush=True)
    print(f"{wrong} wrong, {refusals} refused", flush=True)
    for i in range(200):
        fits_agree(i)
    print("200 fits depend on the points only")
