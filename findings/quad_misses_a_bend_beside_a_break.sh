#!/bin/sh
# The expected log-density of a two-Gaussian mixture, by scipy's quad and cubature with break points where the Gaussians
# are: wrong by 0.02 nats, with a reported error of 2e-12 and 4e-12 and the status "converged".
#
# Seen with scipy 1.17.1 and numpy 2.4.6. The mixture is 0.93 N(0.6, 0.06^2) + 0.07 N(-3, 0.0001^2), the mean is taken
# under N(0, 1): what a student on few points is worth. Breaks are at both means and 1, 3, 10 and 30 deviations to each
# side. The log-density bends where the two are equally dense, 60 of the narrow one's deviations from its mean, which
# is 0.003 beyond the last break. The narrow one is steep there, 600,000 nats to the unit. The piece that holds the bend is 5 long, and the outermost
# of its 21 Gauss-Kronrod nodes stands 0.011 from its end: whole piece and halves alike see the smooth side only, so
# they agree. points= gives the same number. What is a spike to the density is a bend to its logarithm, far outside.
#
# What to do: break where two components are equally dense, roots of a quadratic (tanhsinh between them is right to
# 1e-9, below), or let breaks grow geometrically out to the ends, under a rule with nodes at both ends of a piece.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check scipy==1.17.1 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import math

import numpy as np
from scipy.integrate import cubature, quad, tanhsinh

weights, means, widths = np.array([0.93, 0.07]), np.array([0.6, -3.0]), np.array([0.06, 1e-4])


def integrand(x):
    standard = (np.asarray(x)[..., None] - means) / widths
    parts = np.log(weights / widths) - 0.5 * math.log(2 * math.pi) - 0.5 * standard**2
    top = parts.max(axis=-1)
    log_density = top + np.log(np.exp(parts - top[..., None]).sum(axis=-1))
    return log_density * np.exp(-0.5 * np.asarray(x) ** 2) / math.sqrt(2 * math.pi)


low, high = -8.3, 8.3
breaks = {m + s * step * w for m, w in zip(means, widths) for step in (0, 1, 3, 10, 30) for s in (1, -1)}
edges = [low, *sorted(breaks), high]
pieces = [quad(integrand, a, b, epsabs=1e-11, epsrel=1e-12, limit=400) for a, b in zip(edges, edges[1:])]
at_once = quad(integrand, low, high, points=sorted(breaks), epsabs=1e-11, epsrel=1e-12, limit=400)
boxes = [cubature(lambda x: integrand(x[:, 0]), [a], [b], atol=1e-11, rtol=1e-12) for a, b in zip(edges, edges[1:])]
found = {
    "quad, piece by piece": (sum(p[0] for p in pieces), sum(p[1] for p in pieces)),
    "quad, points=": at_once[:2],
    "cubature": (sum(float(box.estimate) for box in boxes), sum(float(box.error) for box in boxes)),
}
assert {box.status for box in boxes} == {"converged"}

# Twice, without trusting an adaptive rule: evenly spaced nodes, fifty to the narrow deviation; and between the bends.
nodes = (np.arange(8_000_000) + 0.31) / 8e6 * (high - low) + low
exact = sum(integrand(some).sum() for some in np.array_split(nodes, 40)) * (high - low) / 8e6
t = 1 / widths**2
bends = np.roots([
    -0.5 * (t[0] - t[1]),
    means[0] * t[0] - means[1] * t[1],
    np.log(weights[0] / widths[0] * widths[1] / weights[1]) - 0.5 * (means[0] ** 2 * t[0] - means[1] ** 2 * t[1]),
])
cut = np.array(sorted([*edges, *bends]))
between = float(tanhsinh(integrand, cut[:-1], cut[1:], atol=1e-11).integral.sum())

print(f"evenly spaced nodes {exact:.7f}, tanhsinh between the bends {between:.7f}; bends at {np.sort(bends)}")
for name, (value, error) in found.items():
    print(f"{name}: {value:.7f}, reported error {error:.0e}, off by {abs(value - exact):.4f}")
assert abs(exact - between) < 1e-7
assert all(error < 1e-10 and 0.015 < abs(value - exact) < 0.025 for value, error in found.values())
PYTHON
