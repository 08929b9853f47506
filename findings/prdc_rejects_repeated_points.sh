#!/bin/sh
# prdc 0.2 (k-nearest-neighbour precision and recall of generative models): a set of points compared with itself has
# precision 0 and recall 0 once every point is there more than k times. By the definition both are 1.
#
# Seen with prdc 0.2, scikit-learn 1.9.1 and numpy 2.5.5 on Python 3.12 and 3.13. A ball around a real point reaches to
# its k-th neighbour. Kynkaanniemi et al. (2019, eq. 1) count what is at most that far, and so does their own code;
# prdc counts what is nearer. With k repeats or more of a point its k-th neighbour is itself, the ball has radius 0, and
# nothing is nearer than 0. Images hardly ever repeat. Short answers of a language model do, those of a cold one most:
# "Paris." written ten times by the model and ten times in the reference counts ten times as no good and as not covered.
# piq 0.8.0 and the code that came with Le Bronnec et al. (2024) have the same line; torch-fidelity 0.4.0 has "at most".
#
# What to do: count with <= and distances that are exactly 0 between equal points (scipy's cdist), or look at repeats first.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check prdc==0.2 scikit-learn==1.9.1
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
from prdc import compute_prdc

k = 5
answers = np.eye(40)  # forty different answers, all equally far apart


def by_the_definition(real, fake):
    between = lambda a, b: np.sqrt(((a[:, None] - b[None]) ** 2).sum(axis=-1))
    reach = lambda a: np.sort(between(a, a), axis=1)[:, k]  # place 0 is the point itself
    apart = between(real, fake)
    return (apart <= reach(real)[:, None]).any(axis=0).mean(), (apart <= reach(fake)).any(axis=1).mean()


for times, wanted in ((1, 1.0), (10, 0.0)):
    points = np.repeat(answers, times, axis=0)
    found = compute_prdc(points, points, nearest_k=k)
    exact = by_the_definition(points, points)
    print(f"each answer {times} times, beside itself: prdc {found['precision']:.2f} and {found['recall']:.2f}, "
          f"by the definition {exact[0]:.2f} and {exact[1]:.2f}")
    assert exact == (1.0, 1.0)
    assert found["precision"] == found["recall"] == wanted, "this has changed"
print("as stated")
PYTHON
