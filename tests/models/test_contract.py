"""Every model passes the same contract."""

from dataclasses import replace

import numpy as np
import torch

from tastemaker.data.splitting import no_holdout
from tastemaker.models.autoencoder.multvae import MultVAE
from tastemaker.models.blend.blend import Blend
from tastemaker.models.factorization.bpr import BPR
from tastemaker.models.factorization.gmf import GMF, GMFConfig
from tastemaker.models.factorization.ials import IALS
from tastemaker.models.factorization.mf import MF
from tastemaker.models.factorization.ncf import MLP, NCF, MLPConfig
from tastemaker.models.factorization.neumf import NeuMF
from tastemaker.models.graph.graph_filter import GraphFilter
from tastemaker.models.graph.lightgcn import LightGCN
from tastemaker.models.linear.ease import EASE
from tastemaker.models.linear.itemknn import ItemKNN
from tastemaker.models.popularity import Popularity
from tastemaker.models.random import Random
from tastemaker.models.recommender import Recommender
from tastemaker.models.registry import BUILT_IN
from tastemaker.models.repeat import Repeat
from tastemaker.models.sequence.bsarec import BSARec
from tastemaker.models.sequence.core import CORE
from tastemaker.models.sequence.gru4rec import GRU4Rec
from tastemaker.models.sequence.hstu import HSTU
from tastemaker.models.sequence.sasrec import ESASRec, SASRec
from tastemaker.models.sequence.two_tower import TwoTower
from tastemaker.testing.contract import RecommenderContract
from tastemaker.testing.worlds import two_tastes


class TestPopularity(RecommenderContract):
    personal = False
    twin_overlap = 1.0
    heavy_items_rise_for = "nobody"

    def make(self) -> Recommender:
        return Popularity()

    def test_weights_change_what_is_learned_or_a_note_says_that_they_do_not(self, caplog) -> None:
        """They do neither: popularity is one floor beside all results on the same interactions."""
        data = two_tastes()
        weighted = replace(data, weights=np.arange(len(data), dtype=np.float32))
        counts = [self.make().fit(no_holdout(each)).state()["counts"] for each in (data, weighted)]
        assert torch.equal(*counts)
        assert "weights" not in caplog.text


class TestWeightedPopularity(RecommenderContract):
    personal = False
    twin_overlap = 1.0

    def make(self) -> Recommender:
        return Popularity(weighted=True)


class TestEASE(RecommenderContract):
    twin_overlap = 1.0

    def make(self) -> Recommender:
        return EASE(regularization=1.0)


class TestEASEThatFades(RecommenderContract):
    def make(self) -> Recommender:
        return EASE(regularization=1.0, half_life_events=20)


class TestEASEOfNearestItems(RecommenderContract):
    twin_overlap = 1.0

    def make(self) -> Recommender:
        return EASE(regularization=1.0, neighbours=6)


class TestNCF(RecommenderContract):
    def make(self) -> Recommender:
        return NCF(epochs=60, batch_size=64, seed=3)


class TestMultVAE(RecommenderContract):
    twin_overlap = 1.0

    def make(self) -> Recommender:
        # With more epochs the two tastes lie so far apart that a few events hardly move a user.
        return MultVAE(epochs=15, batch_size=20, hidden=50, embedding_size=16, learning_rate=1e-2)


class TestLightGCN(RecommenderContract):
    twin_overlap = 0.9
    heavy_items_rise_for = "their users"

    def make(self) -> Recommender:
        return LightGCN(epochs=30, batch_size=128, embedding_size=16, learning_rate=3e-2)


class TestLightGCNWithContrast(RecommenderContract):
    twin_overlap = 1.0
    heavy_items_rise_for = "their users"

    def make(self) -> Recommender:
        return LightGCN(
            epochs=30, batch_size=128, embedding_size=16, learning_rate=3e-2, contrast=0.1
        )


class TestGraphFilter(RecommenderContract):
    twin_overlap = 1.0

    def make(self) -> Recommender:
        return GraphFilter(order=2, ideal_dimensions=4)


class TestMLP(RecommenderContract):
    twin_overlap = 0.65  # folding in finds another place than training, by seed 0.74 to 0.83 alike

    def make(self) -> Recommender:
        return MLP(epochs=40, batch_size=64, seed=0)


class TestGMF(RecommenderContract):
    def make(self) -> Recommender:
        return GMF(epochs=30, batch_size=64, embedding_size=8, seed=3)


class TestNeuMF(RecommenderContract):
    def make(self) -> Recommender:
        return NeuMF(
            epochs=5,
            batch_size=64,
            seed=0,
            gmf=GMFConfig(epochs=30, batch_size=64, embedding_size=8),
            mlp=MLPConfig(epochs=30, batch_size=64),
        )


class TestNeuMFWithoutPretraining(RecommenderContract):
    def make(self) -> Recommender:
        return NeuMF(
            epochs=40,
            pretraining=False,
            learning_rate=1e-2,
            batch_size=64,
            seed=3,
            gmf=GMFConfig(embedding_size=8),
        )


class TestMF(RecommenderContract):
    def make(self) -> Recommender:
        return MF(epochs=60, batch_size=8, seed=3)


class TestMFWithBCE(RecommenderContract):
    def make(self) -> Recommender:
        return MF(
            loss="bce", epochs=40, embedding_size=8, batch_size=64, learning_rate=0.02, seed=3
        )


class TestMFWithBPR(RecommenderContract):
    heavy_items_rise_for = "their users"

    def make(self) -> Recommender:
        return MF(loss="bpr", epochs=40, batch_size=64, learning_rate=0.02, seed=3)


class TestMFWithSampledSoftmax(RecommenderContract):
    heavy_items_rise_for = "their users"

    def make(self) -> Recommender:
        return MF(
            loss="sampled_softmax",
            epochs=40,
            batch_size=64,
            learning_rate=0.02,
            negatives=8,
            seed=3,
        )


class TestRandom(RecommenderContract):
    personal = False
    twin_overlap = 0.0

    def make(self) -> Recommender:
        return Random(seed=3)

    def test_an_empty_history_gets_the_popularity_ranking(self) -> None:
        """It gets an order of its own instead."""
        model = self.fitted("two tastes")
        best = model.recommend(model.unseen_users([[]]), k=40).frame["item_id"].to_list()
        assert sorted(best) == list(range(40))
        assert best != list(np.argsort(-model.dataset.item_counts, kind="stable"))


class TestRepeat(RecommenderContract):
    personal = False
    twin_overlap = 1.0
    heavy_items_rise_for = "their users"

    def make(self) -> Recommender:
        return Repeat()

    def test_weights_change_what_is_learned_or_a_note_says_that_they_do_not(self, caplog) -> None:
        """They count in the histories; what is learned is the popularity of the items."""
        data = two_tastes()
        weighted = replace(data, weights=np.arange(1, len(data) + 1, dtype=np.float32))
        plain, model = (self.make().fit(no_holdout(each)) for each in (data, weighted))
        assert torch.equal(plain.state()["counts"], model.state()["counts"])
        assert not torch.equal(plain.score(plain.users([1])), model.score(model.users([1])))
        assert "weights" not in caplog.text


class TestItemKNN(RecommenderContract):
    twin_overlap = 1.0
    heavy_items_rise_for = "nobody"

    def make(self) -> Recommender:
        return ItemKNN()


class TestItemKNNWithCosine(RecommenderContract):
    twin_overlap = 1.0
    heavy_items_rise_for = "nobody"

    def make(self) -> Recommender:
        return ItemKNN(similarity="cosine")


class TestItemKNNWithBM25(RecommenderContract):
    twin_overlap = 1.0

    def make(self) -> Recommender:
        return ItemKNN(similarity="bm25")


class TestIALS(RecommenderContract):
    twin_overlap = 1.0
    heavy_items_rise_for = "their users"

    def make(self) -> Recommender:
        return IALS(embedding_size=8, alpha=10, regularization=1, seed=3)


class TestBPR(RecommenderContract):
    def make(self) -> Recommender:
        return BPR(embedding_size=8, epochs=100, learning_rate=0.05, seed=3)


SMALL = {"epochs": 12, "batch_size": 16, "embedding_size": 16, "learning_rate": 1e-2, "seed": 3}


class TestSASRec(RecommenderContract):
    twin_overlap = 1.0
    histories_have_weights = False

    def make(self) -> Recommender:
        return SASRec(**SMALL, layers=1)


class TestBSARec(RecommenderContract):
    twin_overlap = 1.0
    histories_have_weights = False

    def make(self) -> Recommender:
        return BSARec(**SMALL)


class TestESASRec(RecommenderContract):
    twin_overlap = 1.0
    histories_have_weights = False

    def make(self) -> Recommender:
        return ESASRec(**SMALL)


class TestGRU4Rec(RecommenderContract):
    twin_overlap = 1.0
    histories_have_weights = False

    def make(self) -> Recommender:
        return GRU4Rec(**SMALL, hidden=16)


class TestCORE(RecommenderContract):
    twin_overlap = 1.0
    histories_have_weights = False

    def make(self) -> Recommender:
        return CORE(**SMALL)


class TestHSTU(RecommenderContract):
    twin_overlap = 1.0
    histories_have_weights = False

    def make(self) -> Recommender:
        return HSTU(**SMALL, layers=1)


class TestTwoTower(RecommenderContract):
    twin_overlap = 1.0
    histories_have_weights = False

    def make(self) -> Recommender:
        return TwoTower(**SMALL, hidden=16)


class TestBlend(RecommenderContract):
    twin_overlap = 1.0

    def make(self) -> Recommender:
        parts = {"ease": {"regularization": 1.0}, "itemknn": {"similarity": "cosine"}}
        return Blend(parts=tuple(parts), **parts)


class TestBlendWithSequences(RecommenderContract):
    twin_overlap = 1.0

    def make(self) -> Recommender:
        return Blend(parts=("ease", "gru4rec"), weights=(2, 1), gru4rec={**SMALL, "hidden": 16})


def test_every_model_of_the_registry_is_held_to_the_contract() -> None:
    held = {contract().make().name for contract in RecommenderContract.__subclasses__()}
    missing = sorted(BUILT_IN.keys() - held)
    assert not missing, (
        "give each a class here that inherits RecommenderContract and makes it: "
        + ", ".join(missing)
    )


class TestMFWithFeatures(RecommenderContract):
    def make(self) -> Recommender:
        return MF(
            embedding_size=16, epochs=10, batch_size=64, learning_rate=0.02, features=True, seed=3
        )


class TestEASEWithFeatures(RecommenderContract):
    twin_overlap = 1.0

    def make(self) -> Recommender:
        return EASE(regularization=1.0, feature_weight=0.5)
