"""Tastemaker: from a log of interactions to recommendations.

    import tastemaker as tm

    data = tm.load("ml-latest-small")
    split = tm.leave_one_out(data)
    model = tm.NCF(epochs=5, seed=7).fit(split)
    print(tm.evaluate(model, split, tm.SampledRanking(negatives=99)))
    model.recommend(users=[42], k=10)

Names are loaded when they are first used, so that importing the package takes little time.
"""

import lazy_loader

from tastemaker import forking as forking  # must be imported before a fork

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
