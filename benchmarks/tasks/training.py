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


def _time_to_quality(name: str, title: str, allowance_s: float, *contenders: Contender) -> Task:
    return Task(
        name=name,
        title=title,
        measure="time_to_quality",
        unit="until it is reached",
        show="seconds",
        least=1,
        allowance_s=allowance_s,
        contenders=contenders,
    )


LIMIT_S = 100
"""Seconds of training after which a peer gives up a quality."""

GIVEN_UP = f"It is given up after {LIMIT_S} seconds of training."

NCF_QUALITY = {"metric": "HR@10", "quality": 0.64}

NCF_TO_QUALITY = _time_to_quality(
    "time-to-0.64",
    "Training NCF until HR@10 is 0.64 among the paper's candidates",
    20,
    Contender(
        "Tastemaker",
        "training/ncf/ours.py",
        options=NCF_QUALITY,
        quick=None,
        note="The whole `fit` counts; the epochs that it takes are looked for beforehand.",
    ),
    Contender(
        "RecBole, batches of 2,048",
        "training/ncf/recbole_neumf.py",
        "recbole",
        options={"settings": {"train_batch_size": 2048}, "limit_s": LIMIT_S} | NCF_QUALITY,
        quick=None,
        note=f"{NEUMF} {GIVEN_UP}",
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


SASREC_QUALITY = {"metric": "NDCG@10 of the validation part", "quality": 0.068}

SASREC_TO_QUALITY = _time_to_quality(
    "time-to-sasrec",
    "From a CSV file of Amazon Beauty to a SASRec with a validation NDCG@10 of 0.068",
    60,
    Contender(
        "Tastemaker",
        "training/sequence/ours.py",
        options=SASREC_QUALITY,
        quick=None,
        note="Reading, splitting and a fit with the defaults count, validations included. "
        "It is 95% of what the defaults reach in the end.",
    ),
    Contender(
        "RecTools",
        "training/sequence/rectools_sasrec.py",
        "rectools",
        options=SASREC_QUALITY | {"limit_s": LIMIT_S},
        quick=None,
        note=f"The epochs alone count. {GIVEN_UP}",
    ),
    Contender(
        "RecBole",
        "training/sequence/recbole_sasrec.py",
        "recbole",
        options=SASREC_QUALITY | {"limit_s": LIMIT_S},
        quick=None,
        note=f"The epochs alone count. Each prefix of a history is a sequence. {GIVEN_UP}",
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
    NCF_TO_QUALITY,
    SASREC_TO_QUALITY,
    SASREC,
    SASREC_SOFTMAX,
    *map(_ials_task, (64, 256)),
)
