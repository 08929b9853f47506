"""Practitioners' units: neighbours beside scikit-learn's, the Vendi score by hand, errors beside what repeats show."""

from typing import Any

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors
from support.fake_results import fake_results

from kdlab.lm.report import units
from kdlab.lm.report.attempts import gathered
from kdlab.lm.report.units import compared, cosines, nearest, together, unit_of, vendi


def points(n: int, width: float = 1.0, d: int = 5, seed: int = 0) -> Any:
    return width * np.random.default_rng(seed).normal(size=(n, d))


# Neighbours


@pytest.mark.parametrize(("n", "m", "k"), [(40, 40, 3), (60, 35, 5), (9, 7, 1), (8, 6, 5)])
def test_nearest_neighbours_beside_another_librarys(n: int, m: int, k: int) -> None:
    """Point by point, as the definition reads: is one of theirs no farther than its own k-th neighbour?"""
    real, written = points(n, seed=1), points(m, 0.7, seed=2) + 0.5

    def share(inside: Any, of: Any) -> float:
        reach = NearestNeighbors(n_neighbors=k).fit(of).kneighbors()[0][:, -1]  # without the point itself
        return np.mean([any(np.linalg.norm(x - y) <= r for y, r in zip(of, reach, strict=True)) for x in inside])

    found = nearest(real, written, k)
    assert found == (share(written, real), share(real, written)) and 0 < found[1] < 1


def test_clouds_made_by_hand() -> None:
    cloud, far = points(50), points(50, seed=1) + 100
    assert nearest(cloud, cloud) == (1, 1) and nearest(cloud, far) == (0, 0)
    assert nearest(np.vstack([cloud, far]), cloud) == (1, 0.5)  # all it writes is real, half of what is real is there
    assert nearest(cloud, np.vstack([cloud, far])) == (0.5, 1)
    corners = np.array([[0, 0], [1, 0], [0, 1], [5, 5], [6, 5], [5, 6]])
    assert nearest(corners, corners + [0, 1], k=1) == (1, 1)  # balls reach 1, from corner to corner: rims count
    assert nearest(corners, corners + [0, 1.5], k=1) == (2 / 6, 2 / 6)  # only one of three is less than 1 away


def test_a_text_is_among_texts_that_it_equals() -> None:
    """Each five times, so that the third neighbour is at no distance; once more in other company, a little off."""
    five = np.repeat(points(8, d=20), 5, axis=0)
    assert nearest(five, five[::-1]) == (1, 1)
    off = five + 1e-6 * points(40, d=20, seed=1)
    assert nearest(five, off) == (1, 1) and nearest(five, five + 0.01)[0] == 0


@pytest.mark.parametrize("k", [0, 5])
def test_too_many_neighbours_are_refused(k: int) -> None:
    with pytest.raises(ValueError, match=f"k is {k}, of 9 and 5 points: choose 1 or more, and fewer than either has"):
        nearest(points(9), points(5), k)


# Vendi


def test_what_things_are_worth_by_hand() -> None:
    assert vendi(np.eye(7)) == pytest.approx(7) and vendi(np.ones((7, 7))) == pytest.approx(1)
    assert vendi(np.kron(np.diag([1, 1, 1]), np.ones((4, 4)))) == pytest.approx(3)  # three kinds, four of each
    a = np.array([1 + 0.9, 1 - 0.9, 1]) / 3  # of two alike and one other, the eigenvalues written out
    assert vendi([[1, 0.9, 0], [0.9, 1, 0], [0, 0, 1]]) == pytest.approx(np.prod(a**-a))
    turned = cosines([[1, 0], [0, 2], [3, 3]])
    np.testing.assert_allclose(turned, [[1, 0, 0.5**0.5], [0, 1, 0.5**0.5], [0.5**0.5, 0.5**0.5, 1]])


def test_the_score_of_cosines_is_that_of_the_moments() -> None:
    """N texts in D dimensions: the eigenvalues other than 0 are those of the D x D mean of u uᵀ."""
    rows = points(60, d=4) + [2, 0, 0, 0]
    unit = rows / np.linalg.norm(rows, axis=1)[:, None]
    shares = np.linalg.eigvals(sum(np.outer(u, u) for u in unit) / 60).real
    assert vendi(cosines(rows)) == pytest.approx(np.exp(-(shares * np.log(shares)).sum()))


@pytest.mark.parametrize("alike", [np.ones(3), np.ones((2, 3)), 2 * np.eye(3)])
def test_what_is_no_likeness_is_refused(alike: Any) -> None:
    with pytest.raises(ValueError, match="give a square with 1 on its diagonal"):
        vendi(alike)


# One model


def test_errors_are_about_what_repeats_show() -> None:
    """A hundred times new texts of both: the errors that one of them tells beside how far all lie apart."""
    rng, n, found = np.random.default_rng(0), 128, []
    for _ in range(100):
        real, own = rng.normal(size=(2, n, 8)) * [[[1.0]], [[0.8]]] + 1
        words = [f"kind {i} of it" for i in rng.geometric(0.05, n)]
        found.append([*compared(real, own, words).values()])
    told, seen = np.array(found)[:, :, 1].mean(axis=0), np.array(found)[:, :, 0].std(axis=0, ddof=1)
    assert (told / seen == pytest.approx(1.0, abs=0.2)) and (seen > 0).all()


def test_openings_and_measures_of_one_model() -> None:
    real, own = points(40, seed=1), points(40, 0.8, seed=2)
    told = compared(real, own, ["A girl named Ann.", "a girl, named Bo"] * 20)
    assert list(told) == [*units.WHATS] and told["openings"] == [1, 0]
    assert (told["precision"][0], told["recall"][0]) == nearest(real, own)
    assert told["vendi"][0] == pytest.approx(vendi(cosines(own)), abs=1e-5)
    assert compared(real, own, [f"kind {i} of" for i in range(40)])["openings"][0] == 13  # of a third of them


# Reading


def results(seeds: int, noise: float = 0.0, **others: Any) -> dict[str, Any]:
    """A run with units that fall and rise with its seeds."""
    told = fake_results(seeds=seeds, **others)
    names = ["truth", *(one["name"] for one in told["models"])]
    by_seed = []
    for seed in range(seeds):
        one = {what: [0.5 + noise * seed, 0.01] for what in units.WHATS}
        by_seed.append({"texts": 256, "models": dict.fromkeys(names, one)})
    return told | {"units": together(by_seed)}


def test_the_larger_error_is_told() -> None:
    one = units.unit_of(results(2), "tau-0.8", "vendi")
    assert one is not None and (one.value, one.error) == (0.5, 0.01)
    apart = units.unit_of(results(2, 0.2), "tau-0.8", "vendi")
    assert apart is not None and (apart.value, apart.error) == pytest.approx((0.6, 0.1))
    assert units.unit_of(results(1), "tau-0.7", "vendi") is None


def test_the_table_of_a_run() -> None:
    lines = units.units_table(results(1)).splitlines()
    assert lines[0].split() == "nats per token precision recall k-NN prec. k-NN recall Vendi openings of 64".split()
    assert [line.split("  ")[0] for line in lines[1:]] == [
        "p*", "teacher", "direct", "tau 1", "tau 0.9", "tau 0.8", "tau 0.6",
    ]  # fmt: skip
    assert lines[1].split()[1:] == "−2.83 ± 0.02 −2.83 ± 0.02 0.50 ± 0.01 0.50 ± 0.01 0.50 ± 0.01 0.50 ± 0.01".split()
    assert max(map(len, lines)) <= 108


def test_the_table_of_a_run_with_answers() -> None:
    tries = gathered([{"different": [[0.2], [0.9], [1.5]], "any": [[0.2], [0.5], [0.75]]}])
    attempts = {"tries": [1, 4, 16], "models": dict.fromkeys(("truth", "tau-1", "tau-0.6"), tries)}
    lines = units.units_table(results(1) | {"attempts": attempts}).splitlines()
    assert lines[0].endswith("pass@4 different of 16")
    assert lines[4].split()[-6:] == "0.50 ± 0.00 1.50 ± 0.00".split() and lines[5].rstrip().endswith("0.50 ± 0.01")


def test_a_run_without_them_says_so() -> None:
    assert units.units_table(fake_results()).startswith("This run has no practitioners' units")
    assert units.units_table(fake_results() | {"units": together([])}).startswith("This run has no")


@pytest.mark.parametrize(
    ("real", "written", "said"),
    [
        (np.zeros((5, 2)), np.zeros((5, 3)), r"shapes \(5, 2\) and \(5, 3\): give \(N, D\)"),
        (np.zeros(5), np.zeros(5), r"shapes \(5,\) and"),
        (np.zeros((5, 2)), np.full((5, 2), np.nan), "nan or inf"),
    ],
)
def test_points_that_have_no_neighbours_are_refused(real: Any, written: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        nearest(real, written)


def test_a_unit_of_another_name_is_refused() -> None:
    with pytest.raises(ValueError, match="what is 'vendy': choose one of precision, recall, vendi, openings"):
        unit_of({}, "direct", "vendy")
