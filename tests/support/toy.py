"""A comparison whose numbers are made up: what a neighbour gives to a picture."""

import numpy as np

from kdlab.neighbours import Comparison, Fixed

DIALS = np.linspace(0.0, 1.0, 11)
TOY = Comparison(
    name="toy",
    title="A toy",
    knob_name="λ",
    dials=DIALS,
    precision=-3 + DIALS,
    recall=-4 - DIALS**2,
    direct_precision=-3.0,
    direct_recall=-4.0,
    precision_bound=-1.2,
    recall_bound=-2.1,
    curves={"floor": 0.2 * (1 - DIALS), "theory": 0.21 * (1 - DIALS)},
    curve_unit="KL, nats",
    said=tuple(f"At λ = {dial:.1f} all is well." for dial in DIALS),
    marks=(0, 0.5, 1),
    start=0.0,
    others=(Fixed("far away", -9.0, -2.5),),
)
