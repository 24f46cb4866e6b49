"""Training of networks: batches, losses, the training loop and checkpoints.

It does not depend on Recommender or on any evaluation protocol. `fit` is imported when it is first
used: Lightning takes seconds to import, and a trained model that only recommends does not need it.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
