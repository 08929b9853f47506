#!/bin/sh
# numpy's Generator.binomial and multinomial mirror their draws where a probability passes one half.
#
# Seen with numpy 2.4.6. For p at most 1/2 binomial counts successes; above, it counts failures by the same random numbers
# and takes them from n. So p = 0.5 and the next number after it, 1.1e-16 more, give opposite draws from one seed.
# multinomial draws category after category by binomial, of what is left, and so does the same. Two equal weights of a
# softmax differ in their last digit from processor to processor (numpy's exp is another one with AVX-512): a training
# that draws by them takes another way on another machine, from the same seed. Generator.choice compares with cumulative
# sums, and gives the same draws.
#
# What to do: draw from computed probabilities by choice, or by rng.random() and their cumulative sums.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np

half, more = 0.5, np.nextafter(0.5, 1)
rng = np.random.default_rng


def drawn(p):
    return {
        "binomial(1, p)": rng(0).binomial(1, p, 1_000),
        "multinomial(1, [p, 1 - p])": rng(0).multinomial(1, [p, 1 - p], 1_000)[:, 0],
        "choice(2, p=[1 - p, p])": rng(0).choice(2, 1_000, p=[1 - p, p]),
    }


print(f"p = {half!r} and {float(more)!r}, one seed, 1,000 draws")
shares = {}
for (name, one), other in zip(drawn(half).items(), drawn(more).values()):
    shares[name] = (one != other).mean()
    print(f"{name:28s} {one[:10]} and {other[:10]}: {shares[name]:.0%} of the draws differ")
assert list(shares.values()) == [1.0, 1.0, 0.0]
PYTHON
