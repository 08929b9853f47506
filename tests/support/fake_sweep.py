"""Small made-up sweeps for the tests of pictures: plausible numbers that move, made in milliseconds, no fits."""

import numpy as np

from kdlab.core.sweep import beta_positions
from kdlab.mixtures.experiment import MixtureSweep, Settings
from kdlab.mixtures.model import GaussianMixture
from kdlab.mixtures.scenes import line_mixture, make_scene


def fake_sweep(dim: int = 2, n_components: int = 2) -> MixtureSweep:
    """A sweep whose students slide from the direct student to the heaviest teacher component(s); one gap, at 60."""
    scene = make_scene("line" if dim == 1 else "ring")
    wide = GaussianMixture([1.0], [[0.0, 0.05]], [[[0.72, 0.0], [0.0, 0.7]]])
    direct = line_mixture([1.0], [-1.0], [2.05]) if dim == 1 else wide
    betas, teacher = beta_positions(), scene.teacher
    share = (np.log(betas) / np.log(100.0)) ** 0.6  # how far the student has gone, 0 to 1
    step, heaviest = share[:, None, None], np.argsort(-teacher.log_weights)[:n_components]
    start = direct.means[0] + 0.35 * (teacher.means[heaviest] - direct.means[0])
    first = direct.covariances[0] * (1.0 if n_components == 1 else 0.7)
    student = betas[:, None] ** 0.5 * np.linspace(0, -0.3, n_components)
    switched = np.arange(len(betas)) == 60
    modes = np.arange(scene.truth.n_components) / scene.truth.n_components
    return MixtureSweep(
        settings=Settings(scene.name, n_components),
        scene=scene,
        betas=betas,
        teacher_log_weights=np.stack([teacher.tempered(beta).log_weights for beta in betas]),
        student_log_weights=student - np.logaddexp.reduce(student, axis=1, keepdims=True),
        student_means=(1 - step) * start + step * teacher.means[heaviest],
        student_covariances=(1 - step[..., None]) * first + step[..., None] * teacher.covariances[heaviest],
        direct=direct,
        direct_precision=-8.04,
        direct_recall=-2.65,
        precision=-8.0 + 6.6 * share + 0.5 * switched.cumsum(),
        recall=-2.65 - 30.0 * share**3,
        weight_entropy=1.3 * (1 - share),
        effective_components=np.exp(1.3 * (1 - share)),
        kl=1.5 * (1 - share),
        coverage=np.clip(1.6 - modes - 1.4 * share[:, None], 0.0, 1.0),
        switched=switched,
        recall_bound=-1.9,
        precision_bound=-0.2,
    )
