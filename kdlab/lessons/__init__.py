"""What a reader is asked: exercises that are checked, predictions before a picture, and both again at the end.

    exercise("01.2")                       # shows the task; hints and solution are a click away
    exercise("01.2").check(my_precision)   # says whether it is right, and if not, why not
    predict("02.ring")                     # the question that covers a picture until the reader commits a guess

`exercises/` holds what is asked, for each notebook its words (nb01.toml) and its code (nb01.py); `words` joins the two,
and `catalogue` finds an exercise by its name. `kinds` judges answers, `card` is how an exercise looks, `exercise_view`
how it is answered on the page. `predictions` are the questions before the pictures, `review` is what came of them.
"""

from kdlab.core.lazy import front_door

_MODULES = {
    "catalogue": "exercise exercises_of",
    "predictions": "predict",
}
__all__, __getattr__, __dir__ = front_door(__name__, _MODULES)
