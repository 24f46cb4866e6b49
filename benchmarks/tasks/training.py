"""Training: NCF, SASRec and iALS."""

from harness.task import Aim, Contender, Task

SEVEN_TIMES = (Aim("times", 7),)
NEUMF = "NeuMF: the same tower and a second pair of embeddings, multiplied, beside it."
FIRST_BATCHES = "The first batches of an epoch stand for all."

NCF = Task(
    name="train-ncf",
    title="Training NCF",
    measure="training",
    unit="samples",
    contenders=(
        Contender(
            "Tastemaker",
            "training/ncf/ours.py",
            quick={"settings": {"epochs": 1}},
            aims=(Aim("rate", 5e6),),
            note="The whole `fit` of five epochs counts, of the others the epochs alone.",
        ),
        Contender(
            "Tastemaker, without its kernel",
            "training/ncf/ours.py",
            options={"run": {"fused": False}, "settings": {"epochs": 1}},
            quick=None,
        ),
        Contender(
            "RecBole, batches of 2,048",
            "training/ncf/recbole_neumf.py",
            "recbole",
            options={"settings": {"train_batch_size": 2048}},
            aims=SEVEN_TIMES,
            note=NEUMF,
        ),
        Contender(
            "RecBole, batches of 16,384",
            "training/ncf/recbole_neumf.py",
            "recbole",
            options={"settings": {"train_batch_size": 16_384}},
            quick=None,
            aims=SEVEN_TIMES,
            note=NEUMF,
        ),
        Contender(
            "Cornac",
            "training/ncf/cornac_mlp.py",
            "cornac",
            options={"batches": 100},
            quick={"batches": 20},
            note=FIRST_BATCHES,
        ),
        Contender(
            "the tutorial's form",
            "training/ncf/tutorial.py",
            package="lightning",
            options={"share": 0.08},
            quick={"share": 0.02},
            aims=(Aim("times", 80),),
            note="8% of the positives; its lists of samples are made anew each epoch, as there.",
        ),
        Contender(
            "WarpRec",
            "training/ncf/warprec_neumf.py",
            "warprec",
            options={"batches": 40},
            quick=None,
            note=f"{NEUMF} {FIRST_BATCHES}",
        ),
    ),
)


def _time_to_quality_task(hit_rate: float, limit_s: float) -> Task:
    return Task(
        name=f"time-to-{hit_rate}",
        title=f"Training NCF until HR@10 is {hit_rate} among the paper's candidates",
        measure="time_to_quality",
        unit="until it is reached",
        show="seconds",
        least=1,
        allowance_s=20,
        contenders=(
            Contender(
                "Tastemaker",
                "training/ncf/ours.py",
                options={"metric": "HR@10", "quality": hit_rate},
                quick=None,
                note="The whole `fit` counts; the epochs that it takes are looked for beforehand.",
            ),
            Contender(
                "RecBole, batches of 2,048",
                "training/ncf/recbole_neumf.py",
                "recbole",
                options={
                    "settings": {"train_batch_size": 2048},
                    "metric": "HR@10",
                    "quality": hit_rate,
                    "limit_s": limit_s,
                },
                quick=None,
                note=f"{NEUMF} It is given up after {limit_s} seconds of training.",
            ),
        ),
    )


SASREC = Task(
    name="train-sasrec",
    title="Training SASRec with a cross-entropy on one negative",
    measure="training",
    unit="an epoch",
    show="seconds",
    contenders=(
        Contender("Tastemaker", "training/sequence/ours.py"),
        Contender(
            "RecTools",
            "training/sequence/rectools_sasrec.py",
            "rectools",
            quick=None,
            aims=(Aim("times", 8),),
        ),
        Contender(
            "RecBole",
            "training/sequence/recbole_sasrec.py",
            "recbole",
            options={"batches": 60},
            quick={"batches": 15},
            aims=(Aim("times", 50),),
            note=f"Each prefix of a history is a sequence. {FIRST_BATCHES}",
        ),
        Contender(
            "WarpRec",
            "training/sequence/warprec_sasrec.py",
            "warprec",
            options={"batches": 80},
            quick=None,
            aims=(Aim("times", 50),),
            note=f"Each prefix of a history is a sequence. {FIRST_BATCHES}",
        ),
    ),
)


def _sasrec_to_quality_task(ndcg: float, limit_s: float) -> Task:
    aim = {"metric": "NDCG@10 of the validation part", "quality": ndcg}
    given_up = f"It is given up after {limit_s} seconds of training."
    return Task(
        name="time-to-sasrec",
        title=f"From a CSV file of Amazon Beauty to a SASRec with a validation NDCG@10 of {ndcg}",
        measure="time_to_quality",
        unit="until it is reached",
        show="seconds",
        least=1,
        allowance_s=60,
        contenders=(
            Contender(
                "Tastemaker",
                "training/sequence/ours.py",
                options=aim,
                quick=None,
                note="Reading, splitting and a fit with the defaults count, validations included. "
                "It is 95% of what the defaults reach in the end.",
            ),
            Contender(
                "RecTools",
                "training/sequence/rectools_sasrec.py",
                "rectools",
                options=aim | {"limit_s": limit_s},
                quick=None,
                note=f"The epochs alone count. {given_up}",
            ),
            Contender(
                "RecBole",
                "training/sequence/recbole_sasrec.py",
                "recbole",
                options=aim | {"limit_s": limit_s},
                quick=None,
                note=f"The epochs alone count. Each prefix of a history is a sequence. {given_up}",
            ),
        ),
    )


SASREC_SOFTMAX = Task(
    name="train-sasrec-softmax",
    title="Training SASRec with a softmax over the catalog",
    measure="training",
    unit="an epoch",
    show="seconds",
    contenders=(
        Contender(
            "Tastemaker",
            "training/sequence/ours.py",
            options={"settings": {"loss": "softmax"}},
            quick=None,
        ),
        Contender(
            "Tastemaker, products in bfloat16",
            "training/sequence/ours.py",
            options={"settings": {"loss": "softmax", "precision": "bfloat16"}},
        ),
        Contender(
            "RecTools",
            "training/sequence/rectools_sasrec.py",
            "rectools",
            options={"loss": "softmax", "batches": 8},
            quick=None,
            aims=(Aim("times", 8),),
            note=FIRST_BATCHES,
        ),
    ),
)


def _ials_task(embedding_size: int) -> Task:
    return Task(
        name=f"train-ials-{embedding_size}",
        title=f"Training iALS of {embedding_size} dimensions",
        measure="training",
        unit="epochs",
        contenders=(
            Contender(
                "Tastemaker",
                "training/ials.py",
                options={"way": "ours", "embedding_size": embedding_size},
                note="With the loss of each epoch.",
            ),
            Contender(
                "implicit",
                "training/ials.py",
                package="implicit",
                options={"way": "implicit", "embedding_size": embedding_size},
                aims=(Aim("times", 1),),
            ),
        ),
    )


TASKS = (
    NCF,
    _time_to_quality_task(0.64, 100),
    _sasrec_to_quality_task(0.068, 100),
    SASREC,
    SASREC_SOFTMAX,
    *map(_ials_task, (64, 256)),
)
