"""Settings of all models that read a history in order.

A network for data with many interactions for each item can be larger, and needs less dropout.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import Field

from tastemaker.config import AUTO, described
from tastemaker.data.dataset import Dataset
from tastemaker.training.config import TrainingConfig
from tastemaker.training.kernels.softmax import Precision
from tastemaker.training.next_item import NextItemLossName

DENSE = 100
"""From this mean number of training interactions for each item, auto stands for LARGE, else for
SMALL."""

SMALL: dict[str, Any] = {"embedding_size": 64, "dropout": 0.5}
LARGE: dict[str, Any] = {"embedding_size": 128, "dropout": 0.3}


class SequenceModelConfig(TrainingConfig):
    """Settings of all models that read a history in order."""

    epochs: int = Field(100, ge=1)
    """Passes over all histories."""
    batch_size: int = Field(64, ge=1)
    """Histories in a batch, or windows of histories that are longer than `length`."""
    negatives: int = Field(1024, ge=1)
    """Negatives sampled for a whole batch (sampled_softmax) or for each target (gbce, bce)."""
    negative_exponent: float = Field(0.0, ge=0, le=1)
    """sampled_softmax only: 0 samples uniformly, 1 in proportion to popularity."""
    patience: int | None = Field(10, ge=1)
    """Stop when the validation metric has not improved for this many epochs; none: never. Without a
    validation part, all epochs are run."""
    loss: NextItemLossName = "auto"
    """softmax uses the whole catalog as negatives and ranks best; sampled_softmax uses a sample of
    it, for large catalogs; auto is softmax up to 50,000 items and sampled_softmax beyond; in_batch
    uses the other targets of the batch; gbce and bce sample negatives for each target."""
    precision: Precision = "float32"
    """Precision of the products in the softmax over the whole catalog. bfloat16 rounds the factors
    and adds up in float32, which makes this loss several times as fast on a processor with AMX
    (Intel's servers since 2023) or AVX512_BF16 (AMD since Zen 4), and no faster elsewhere. Weights
    stay in float32."""
    calibration: float = Field(0.75, ge=0, le=1)
    """t of gbce: how far the overconfidence caused by few negatives is corrected; 1 is fully."""
    embedding_size: Annotated[
        Annotated[int, Field(ge=1)] | Literal["auto"], described("a whole number from 1, or auto")
    ] = AUTO
    """Dimension of the vectors of items and of encoded histories; auto: 128 for data with at least
    100 training interactions an item on average, otherwise 64; a warm start keeps that of the
    earlier model."""
    length: int = Field(200, ge=1)
    """Number of latest events of a history that are read; training divides longer histories into
    windows of this length."""
    dropout: Annotated[
        Annotated[float, Field(ge=0, lt=1)] | Literal["auto"],
        described("a number from 0 to below 1, or auto"),
    ] = AUTO
    """Fraction of the network's activations that are dropped, drawn again at each training step;
    auto: 0.3 for data with at least 100 training interactions an item on average, otherwise 0.5."""
    averaging: bool = True
    """Whether the weights that are validated and kept are an average over about the last ninth of
    the training steps, which ranks better than the weights after the last step."""
    features: bool = False
    """Whether the vector of an item's features in the catalog is added to its own vector."""
    user_features: bool = False
    """Whether the vector of a user's features is added to the encoded history; it needs a table of
    users. In training, some histories are left out, so that features suffice without a history."""
    time_gaps: bool = False
    """Whether the time since the previous event is read as well, where times are known."""
    event_input: bool = False
    """Whether the kind of each event is read as well, such as a view or a purchase; the data need a
    column with the kinds (event=…)."""

    def for_data(
        self, train: Dataset, earlier_size: int | None = None, owner: str = "settings"
    ) -> Self:
        """Returns these settings with the numbers that auto stands for.

        Args:
            train: the training data.
            earlier_size: embedding_size of the earlier model, for which auto stands; None without
                one.
            owner: what the settings belong to, for error messages.

        Raises:
            ConfigError: heads does not divide earlier_size.
        """
        is_dense = len(train) >= DENSE * train.n_items
        found = LARGE if is_dense else SMALL
        if earlier_size is not None:
            found = found | {"embedding_size": earlier_size}
        given = self.model_dump()
        return self.of(
            {
                name: found[name] if value == AUTO and name in found else value
                for name, value in given.items()
            },
            owner,
        )

    @property
    def size(self) -> int:
        """`embedding_size` of settings from `for_data`."""
        assert isinstance(self.embedding_size, int)
        return self.embedding_size

    @property
    def dropout_rate(self) -> float:
        """`dropout` of settings from `for_data`."""
        assert isinstance(self.dropout, float)
        return self.dropout
