#!/bin/sh
# vendi_score 0.0.3 on a scipy.sparse matrix of likenesses: a hundred things that have nothing in common score 1.32. They
# are worth a hundred, and the same matrix, dense, scores 100.
#
# Seen with vendi-score 0.0.3, scipy 1.18.1 and numpy 2.5.5 on Python 3.12 and 3.13. The score is the exponential of the
# entropy of all eigenvalues of K / n. For a csr_matrix score_K asks scipy.sparse.linalg.eigsh for them, and that gives six
# unless told otherwise. Nothing is said, and the number is in the range of sensible ones. In the same file, score_X takes
# an order q and computes with q = 1. Both ask scipy for the namespace scipy.sparse.csr, deprecated and gone in scipy 2.
#
# What to do: give score_K a dense matrix; for another order give it X @ X.T of rows of length one, or score_dual X.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  vendi-score==0.0.3 scipy==1.18.1 scikit-learn==1.9.1 numpy==2.5.5
"$folder/venv/bin/python" -W ignore::DeprecationWarning - <<'PYTHON'
import math

import numpy as np
from scipy.sparse import csr_matrix
from vendi_score import vendi

alike = np.eye(100)
dense, sparse = vendi.score_K(alike), vendi.score_K(csr_matrix(alike))
print(f"a hundred with nothing in common: dense {dense:.2f}, sparse {sparse:.4f}")
assert abs(dense - 100) < 1e-6
assert abs(sparse - math.exp(-6 * 0.01 * math.log(0.01))) < 1e-6, "this has changed"

rows = np.random.default_rng(0).normal(size=(200, 8))
rows /= np.linalg.norm(rows, axis=1, keepdims=True)
shares = np.linalg.eigvalsh(rows @ rows.T / 200)
print(f"order 2: score_X {vendi.score_X(rows, q=2):.3f}, score_dual {vendi.score_dual(rows, q=2):.3f}, "
      f"written out {1 / (shares**2).sum():.3f}; order 1: score_X {vendi.score_X(rows):.3f}")
assert abs(vendi.score_dual(rows, q=2) - 1 / (shares**2).sum()) < 1e-6
assert vendi.score_X(rows, q=2) == vendi.score_X(rows) != vendi.score_dual(rows, q=2), "this has changed"
print("as stated")
PYTHON
