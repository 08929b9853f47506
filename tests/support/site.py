"""The notebooks that the static site is made of: their live views and their formulas."""

import re

from support.repository import NOTEBOOKS, prose

# The live views of each notebook, in order: what draws them.
LIVE = {
    "00_start_here": ["MixtureView"],
    "01_precision_and_recall": ["SingleView"],
    "02_teacher_entropy": ["MixtureView", "MixtureView"],
    "03_why_it_happens": ["MixtureView", "MechanismView"],
    "your_own_world": ["OwnView"],
    "04_from_mixtures_to_text": ["NGramView"],
    "05_meet_smollm2": ["NextTokenView", "QuizView", "NextTokenView"],
    "06_distil_smollm2": [],
    "07_read_the_trade_off": ["QuizView", "TalkView"],
    "08_is_it_worth_it": ["TriesView"],
    "measure_your_own": [],
}
FORMULA = re.compile(r"\$\$(.+?)\$\$|\$(.+?)\$", re.DOTALL)
FORMULAS = sorted({one or other for name in LIVE for one, other in FORMULA.findall(prose(NOTEBOOKS / f"{name}.ipynb"))})
