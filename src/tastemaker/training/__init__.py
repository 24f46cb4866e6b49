"""Teaching a network: batches, loss, the loop, checkpoints. Knows no Recommender and no protocol.

`fit` is loaded when it is first used: Lightning takes seconds to import, and a trained model that
only answers has no need of it.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
