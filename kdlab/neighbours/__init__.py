"""The eight neighbours: works that stand beside the paper, each in the smallest world in which its claim can be seen.

    from kdlab.neighbours import score_distillation

A module for each work, read in any order; `comparison` is what all of them give to a picture: students along one knob,
beside others that stay where they are. Loading this room loads no PyTorch: what trains loads it when it is asked to.
"""

from kdlab.core.lazy import front_door

_MODULES = {
    "comparison": "Comparison Fixed",
    "view": "KnobView show",
    "": "mixture_gradient mixup online_teacher score_distillation "
    "self_features target_domain teacher_selection variance_reduction",
}
__all__, __getattr__, __dir__ = front_door(__name__, _MODULES)
