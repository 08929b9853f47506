"""Exercises of notebook 04: is a language model a mixture too?"""

import numpy as np

from kdlab.lessons.kinds import Case, Choice, Code, Exercise


def my_tempered(row, tau):
    """One row of a table, tempered."""
    raised = row ** (1 / tau)
    return raised / raised.sum()


def _the_other_way(row, tau):
    return my_tempered(row, 1 / tau)


def _not_normalised(row, tau):
    return row ** (1 / tau)


def _neither(row, tau):
    return row**tau


def _divided(row, tau):
    return row / tau


def _softmax_of_probabilities(row, tau):
    raised = np.exp(row / tau)
    return raised / raised.sum()


TEMPER = Code(
    id="04.1",
    title="One step, hotter or colder",
    task="""Write `my_tempered(row, tau)`: the probabilities of the next letter at temperature `tau`.

`row` has shape (A,), with entries above zero that sum to one; return the same shape. The check compares on three rows,
to nine decimals.""",
    hints=(
        "Below τ = 1 the likeliest letter must become likelier still.",
        "β = 1/τ: raise every entry to the power 1/τ. What do the results sum to?",
    ),
    right=(
        "This is what the slider does to every row of the teacher. A language model computes the same from logits: "
        "softmax(logits / τ), because logits are log-probabilities up to a constant."
    ),
    wrong={
        _the_other_way: (
            "You raised to the power τ. Then a low temperature flattens: at τ = 0.5 you take square roots, which bring "
            "the odds closer together. A cold step is the selective one. Use 1/τ."
        ),
        _not_normalised: (
            "The powers are right, but your row no longer sums to one: it is no distribution yet. Divide by the sum."
        ),
        _neither: (
            "You raised to the power τ and left it at that. At τ = 0.5 these are square roots: the smaller entry gains "
            "more, and the odds come closer together. A cold step is the selective one: use 1/τ. Then divide by the "
            "sum, so that the row is a distribution again."
        ),
        _divided: (
            "You divided the probabilities by τ. All of them change alike, so none gains on another, and the sum is no "
            "longer one. A temperature divides logarithms, and log(row) / τ is the logarithm of row ** (1/τ). Use that "
            "power, then divide by the sum."
        ),
        _softmax_of_probabilities: (
            "You took the softmax of probabilities. Softmax wants logits, that is, log-probabilities up to a constant: "
            "exp(log(row) / τ) is row ** (1/τ). Yours is not the row itself even at τ = 1."
        ),
    },
    solution=my_tempered,
    cases=(
        Case("two letters at τ = 0.5", lambda: (np.array([0.75, 0.25]), 0.5)),
        Case("three letters at τ = 2", lambda: (np.array([0.7, 0.2, 0.1]), 2.0)),
        Case("τ = 1, which changes nothing", lambda: (np.array([0.5, 0.3, 0.2]), 1.0)),
    ),
    tolerance=1e-9,
    advice="Put in τ = 1 first: the row must come back. Then τ = 0.5: its larger entry must grow, and the sum must "
    "still be 1.",
)


def my_log_prob(steps):
    """From the probabilities of a name's steps, the end among them."""
    return np.log(steps).sum()


def _product(steps):
    return np.prod(steps)


def _without_the_end(steps):
    return np.log(steps[:-1]).sum()


def _per_step(steps):
    return np.log(steps).mean()


def _wrong_sign(steps):
    return -np.log(steps).sum()


def _in_bits(steps):
    return np.log2(steps).sum()


SCORE = Code(
    id="04.2",
    title="What is a name worth?",
    task="""Write `my_log_prob(steps)`: the log-probability of a whole name, in nats. `steps` has shape (n + 1,): the
probability that the model gave to each of the n letters when its turn came, and, last, to the end.

Return one number. The check compares on three names, to nine decimals.""",
    hints=(
        "The probability of the name is a product. What does the logarithm make of it?",
        "“mar” begins like “mary”, and is another name. What tells the two apart?",
    ),
    right=(
        "A sum over steps: precision and recall of text are averages of such sums. Longer names have more terms, so a "
        "model that writes longer text has lower log-probabilities for that reason alone."
    ),
    wrong={
        _product: (
            "That is the probability itself. Its logarithm is wanted: the sum of the logs. (For a page of text the "
            "product would be too small for a computer; the sum is not.)"
        ),
        _without_the_end: (
            "You left the last step out. Without the end you score everything that begins with these letters: then "
            "the probabilities of “mar” and “mary” and the rest would add up to more than one."
        ),
        _per_step: (
            "You averaged over the steps. That is a rate, nats per step (the end is a step too), and compares texts of "
            "different lengths. Precision and recall are defined on whole texts: take the sum."
        ),
        _wrong_sign: (
            "This is minus the log-probability: a loss, as trainers print it. The steps are right, the end among them, "
            "and so is the sum; only the sign is turned. A probability is at most 1, so its logarithm is at most 0: "
            "leave out the minus."
        ),
        _in_bits: (
            "This is the log-probability in bits, with the logarithm to base 2. The steps are right, the end among "
            "them, and so is the sum; only the unit is not. In nats it is the natural logarithm: np.log."
        ),
    },
    solution=my_log_prob,
    cases=(
        Case("a name of one letter", lambda: (np.array([0.1, 0.5]),)),
        Case("a name of three letters", lambda: (np.array([0.2, 0.5, 0.25, 0.4]),)),
        Case("a name of four letters", lambda: (np.array([0.09, 0.41, 0.77, 0.3, 0.6]),)),
    ),
    tolerance=1e-9,
    advice="Take a name of one letter: two steps, and so two natural logarithms to add.",
)

ROOM = Choice(
    id="04.3",
    title="A student with room for its teacher",
    task="""In the live picture choose the orders 3, 2, 2: the student now looks at as many letters as its teacher, and
so it is the tempered teacher itself. Go from τ = 1 to τ = 0.3. What happens to the trade?""",
    answer="It is still there: precision rises, recall falls",
    place=3,
    hints=(
        "What would have to be true of precision and recall for the trade to vanish? Look at the two numbers.",
        "A student that copies its teacher perfectly copies what? At τ = 0.3, is that still p* as the teacher knew it?",
    ),
    right=(
        "Precision goes from −15.09 to −7.27, recall from −11.91 to −18.31. (Part of the gain is length: the names "
        "shrink from 5.71 to 4.48 letters. Per step precision rises too, from −2.25 to −1.33.) A student with room "
        "loses nothing of its teacher, but its teacher has become selective. So the trade has two sources: what a "
        "selective teacher leaves out, and what a small student cannot keep apart. Here only the first is at work. (On "
        "the ring of notebook 02 it gave nothing: there the heaviest component is no better than the four are on "
        "average. Here likelier letters are also better ones.)"
    ),
    wrong={
        "It vanishes: a student with room for everything loses nothing": (
            "Nothing of its teacher. But the scores are taken against p*, and at τ = 0.3 the teacher itself does not "
            "say what p* says. Look at recall: −11.91 at τ = 1, −18.31 at τ = 0.3."
        ),
        "Both numbers rise: the teacher drops its mistakes": (
            "It does drop unlikely strings, and precision does rise, from −15.09 to −7.27. But p* says some of these "
            "strings too, and the student now finds them hardly possible. That is recall: from −11.91 to −18.31."
        ),
        "Both numbers fall: a copy of a copy is worse than either": (
            "Copying costs nothing here: the student is the tempered teacher, exactly. And precision rises, from "
            "−15.09 to −7.27, since the strings that are left are ones that p* finds likely."
        ),
    },
)

EXERCISES: tuple[Exercise, ...] = (TEMPER, SCORE, ROOM)
