"""Exercises of notebook 05: a real language model as p*."""

import numpy as np

from kdlab.lessons.kinds import Case, Choice, Code, Exercise


def my_log_prob(logits, ids):
    """From the logits of every step, and the token that came."""
    log_sums = np.log(np.exp(logits).sum(axis=1))
    return sum(logits[t, ids[t]] - log_sums[t] for t in range(len(ids)))


def _sum_of_logits(logits, ids):
    return logits[np.arange(len(ids)), ids].sum()


def _likeliest(logits, ids):
    return my_log_prob(logits, logits.argmax(axis=1))


def _without_the_end(logits, ids):
    return my_log_prob(logits[:-1], ids[:-1])


def _per_token(logits, ids):
    return my_log_prob(logits, ids) / len(ids)


def _text(seed, ids):
    return np.random.default_rng(seed).normal(0, 2, (len(ids), 6)).round(2), np.array(ids)


LOG_PROB = Code(
    id="05.1",
    title="From logits to a score",
    task="""Write `my_log_prob(logits, ids)`: the log-probability of a text, in nats. `logits` has shape (T, V): at each
of T steps, the model's logits for all V tokens. `ids` has shape (T,): the token that came at each step, the last one
being the end.

Return one number. The check compares on three texts, to six decimals.""",
    hints=(
        "Logits are log-probabilities up to a constant, another one at each step. Which constant makes exp sum to one?",
        "At step t: logits[t, ids[t]] − log Σ exp(logits[t]). Add that up over t.",
    ),
    right=(
        "This is how every text is scored from here on: one log-softmax per step, one entry of it picked, all of them "
        "added. Precision and recall are means of such sums."
    ),
    wrong={
        _sum_of_logits: (
            "You added the logits as they are. A logit by itself says nothing: add 5 to all of a step, and the "
            "probabilities are the same. Take log Σ exp of the step's logits off first."
        ),
        _likeliest: (
            "You scored the likeliest token of each step. Asked for is the text that is there, likely or not: pick "
            "the entries that `ids` names."
        ),
        _without_the_end: (
            "The last step is missing. It is the end, a token like the others: without it you score everything that "
            "begins with this text, and a model that never stops looks as good as one that does."
        ),
        _per_token: (
            "You divided by the number of tokens. That is a rate, and a useful one; but asked for is the text's own "
            "log-probability, the sum."
        ),
    },
    solution=my_log_prob,
    cases=(
        Case("a text of one token, the end", lambda: _text(0, [5])),
        Case("a text of three tokens", lambda: _text(1, [2, 0, 5])),
        Case("a text of five tokens", lambda: _text(2, [1, 1, 4, 3, 5])),
    ),
    tolerance=1e-6,
    advice="Take the text of one token: one logit, less the logarithm of the sum of exp over all six.",
)


def my_choices(logits, tau):
    """exp of the entropy of softmax(logits / tau)."""
    p = np.exp(logits / tau)
    p = p / p.sum()
    return np.exp(-(p * np.log(p)).sum())


def _entropy_only(logits, tau):
    return np.log(my_choices(logits, tau))


def _the_other_way(logits, tau):
    return my_choices(logits, 1 / tau)


def _tempered_the_result(logits, tau):
    return my_choices(logits, 1.0) ** tau


def _from_the_likeliest(logits, tau):
    p = np.exp(logits / tau)
    return p.sum() / p.max()


CHOICES = Code(
    id="05.2",
    title="Among how many does it choose?",
    task="""Write `my_choices(logits, tau)`: the effective number of choices at temperature `tau`, that is, exp of the
entropy of softmax(logits / τ). `logits` has shape (V,).

Return one number. The check compares on three sets of logits, to six decimals.""",
    hints=(
        "First the probabilities: exp(logits / τ), divided by their sum.",
        "The entropy is −Σ p log p, in nats. For V equal probabilities it is log V. What undoes the logarithm?",
    ),
    right=(
        "This is the number beside the slider: 4.37 nats after “My favorite color is” are 79 choices. Equal logits "
        "give V at every τ; otherwise it goes from one at τ near 0 up to V as τ grows."
    ),
    wrong={
        _entropy_only: (
            "That is the entropy, in nats. It is a good answer to another question: for V equally likely tokens it is "
            "log V. Take exp of it, and it counts tokens."
        ),
        _the_other_way: (
            "You multiplied by τ where the logits are divided by it. A cold step, τ = 0.5, doubles the differences "
            "between logits and leaves fewer choices; yours leaves more."
        ),
        _tempered_the_result: (
            "You computed the choices at τ = 1 and raised the result to τ. Temperature acts on the probabilities, "
            "before the entropy is taken: what happens to it depends on all the logits."
        ),
        _from_the_likeliest: (
            "That is one over the largest probability. It counts as if all tokens were as likely as the likeliest; "
            "the others are not. The entropy weighs each with its own probability."
        ),
    },
    solution=my_choices,
    cases=(
        Case("three logits at τ = 0.5", lambda: (np.array([2.0, 1.0, -1.0]), 0.5)),
        Case("four logits at τ = 1.5", lambda: (np.array([3.0, 2.5, 0.0, -2.0]), 1.5)),
        Case("five logits at τ = 0.8", lambda: (np.array([1.0, 0.0, 0.5, -3.0, 2.0]), 0.8)),
    ),
    tolerance=1e-6,
    advice="Put in equal logits: whatever τ is, the answer must be their number.",
)

AGAIN = Choice(
    id="05.3",
    title="Store the text, or the tokens?",
    task="""A script draws samples from p*, decodes them to text, stores the text, and cuts it into tokens again before
a student is trained and scored on it. What can go wrong?""",
    answer="The second cut may be another one: then other token sequences are trained on and scored than p* wrote",
    place=2,
    hints=(
        "Look at the word Paris above. How many ways to cut it did p* have, and how many does the tokenizer give back?",
        "p* draws tokens, not text. Is the cut that it happened to draw always the tokenizer's own?",
    ),
    right=(
        "Of the 256 texts above, 27 came back in another cut, and 21 of them with a token outside the vocabulary that "
        "p* was restricted to: such a text has no score at all. That is why samples are kept as tokens here, the end "
        "included, and trained on and scored as those."
    ),
    wrong={
        "Nothing: decoding and cutting again gives the same text, so the same score": (
            "The same text, yes. But a model of tokens scores a sequence of tokens, and one text has many of them: the "
            "four cuts of Paris above have log-probabilities from −0.26 to −32.22."
        ),
        "The new cut is always the likeliest one, so scores come out somewhat too high": (
            "The tokenizer's cut follows its merging rules and has not asked p*. Often it is the likeliest, and that "
            "is no promise: 21 of the 256 texts above come back with a token that the restricted p* never says."
        ),
        "Only the number of tokens changes, so scores per token change and scores per text do not": (
            "The score per text changes as well: it is the score of another sequence. Compare the sums, not the "
            "means, of the four cuts of Paris above."
        ),
    },
)

EXERCISES: tuple[Exercise, ...] = (LOG_PROB, CHOICES, AGAIN)
