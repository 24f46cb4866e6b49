"""Ranking: evaluations, lists for all users, and a cross-check of the metrics."""

from dataclasses import replace

from harness.task import Aim, Contender, Task

DIVIDES_BY_ALL = {
    "unlike": {"map": "divided by all relevant items, also where more than the list can hold"}
}

WARPREC_NEUMF = Contender(
    "WarpRec",
    "training/ncf/warprec_neumf.py",
    "warprec",
    quick=None,
    aims=(Aim("times", 3),),
    note="NeuMF.",
)

SAMPLED = Task(
    name="evaluate-sampled",
    title="Evaluating NCF among 100 candidates for each of 6,040 users, drawing them included",
    measure="evaluation",
    unit="users",
    contenders=(
        Contender("Tastemaker", "training/ncf/ours.py"),
        Contender(
            "RecBole",
            "training/ncf/recbole_neumf.py",
            "recbole",
            aims=(Aim("times", 25),),
            note="NeuMF.",
        ),
        replace(WARPREC_NEUMF, aims=(Aim("times", 15),)),
    ),
)

GIVEN = Task(
    name="evaluate-given",
    title="Evaluating NCF among 100 candidates for each of 6,040 users, which are there already",
    measure="evaluation_given",
    unit="users",
    contenders=(
        Contender("Tastemaker", "training/ncf/ours.py", quick=None),
        WARPREC_NEUMF,
    ),
)

FULL = Task(
    name="evaluate-full",
    title="Evaluating SASRec among 23,715 items for each of 31,000 users",
    measure="evaluation",
    unit="users",
    contenders=(
        Contender("Tastemaker", "training/sequence/ours.py", quick=None),
        Contender("RecTools", "training/sequence/rectools_sasrec.py", "rectools", quick=None),
        Contender(
            "RecBole, batches of 4,096",
            "training/sequence/recbole_sasrec.py",
            "recbole",
            quick=None,
            aims=(Aim("times", 15),),
            note="Its default.",
        ),
        Contender(
            "RecBole, batches of 128",
            "training/sequence/recbole_sasrec.py",
            "recbole",
            options={"settings": {"eval_batch_size": 128}},
            quick=None,
            aims=(Aim("times", 10),),
            note="What suits it best.",
        ),
        Contender(
            "WarpRec",
            "training/sequence/warprec_sasrec.py",
            "warprec",
            quick=None,
            aims=(Aim("times", 5),),
        ),
    ),
)

TOP = Task(
    name="top-k",
    title="Top 10 of 24,000 items for 41,547 users, seen ones left out",
    measure="all_users",
    unit="users",
    contenders=(
        Contender("Tastemaker", "ranking/topk.py", options={"way": "ours"}, quick={"users": 8000}),
        Contender(
            "implicit",
            "ranking/topk.py",
            package="implicit",
            options={"way": "implicit"},
            quick={"users": 8000},
            aims=(Aim("times", 3),),
        ),
        Contender(
            "plain PyTorch",
            "ranking/topk.py",
            package="torch",
            options={"way": "plain"},
            quick={"users": 8000},
        ),
        Contender(
            "Tastemaker, bfloat16",
            "ranking/topk.py",
            options={"way": "bfloat16"},
            quick=None,
        ),
    ),
)

FIGURES = Task(
    name="cross-check",
    title="The same lists, judged by other libraries",
    measure="figures",
    unit="users",
    agreement=True,
    repeats=1,
    contenders=(
        Contender("Tastemaker", "metrics/ours.py"),
        Contender("RecTools", "metrics/rectools_figures.py", "rectools", options=DIVIDES_BY_ALL),
        Contender("RecBole", "metrics/recbole_figures.py", "recbole"),
        Contender("WarpRec", "metrics/warprec_figures.py", "warprec", quick=None),
        Contender(
            "ir-measures",
            "metrics/ir_measures_figures.py",
            package="ir_measures",
            options=DIVIDES_BY_ALL,
        ),
    ),
)

TASKS = (SAMPLED, GIVEN, FULL, TOP, FIGURES)
