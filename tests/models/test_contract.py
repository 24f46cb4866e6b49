"""Every model passes the same contract."""

from tastemaker.models.ease import EASE
from tastemaker.models.ncf import NCF
from tastemaker.models.popularity import Popularity
from tastemaker.models.recommender import Recommender
from tastemaker.testing.contract import RecommenderContract


class TestPopularity(RecommenderContract):
    personal = False

    def make(self) -> Recommender:
        return Popularity()


class TestEASE(RecommenderContract):
    def make(self) -> Recommender:
        return EASE(regularization=1.0)


class TestNCF(RecommenderContract):
    def make(self) -> Recommender:
        return NCF(epochs=60, batch_size=64, seed=3)
