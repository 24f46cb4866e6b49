# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Comparing models honestly
#
# Which model is best *on your data*? The question is easy to answer wrongly: by choosing settings
# on the test, by a weak baseline, by one lucky seed, or by a difference that is only chance. This
# notebook avoids all four.

# %%
import numpy as np

import tastemaker as tm

data = tm.load("synthetic")
split = tm.leave_one_out(data)
split

# %% [markdown]
# The data are invented: 1,000 users with favourite genres that change with time, and films of
# which few are popular. The three parts have three purposes:
#
# - **train**: models learn from it,
# - **validation**: settings are chosen on it,
# - **test**: the chosen models are measured on it, once.
#
# ## Baselines first
#
# A baseline is a model that is hard to get wrong. `random` shows the result of guessing, and
# `popularity` that of one list for everybody. Every film is ranked against the whole catalog (*full
# ranking*), as a product would do.

# %%
full = tm.FullRanking()
for model in (tm.Random(), tm.Popularity()):
    result = tm.evaluate(model.fit(split), split, full, baseline=False)
    low, high = result.intervals["ndcg@10"]
    print(f"{model.name}: {result.metrics['ndcg@10']:.4f}, interval {low:.4f} to {high:.4f}")

# %% [markdown]
# NDCG@10 is 1 if the held-out film is first in the list, less the further down it is, and 0 if it
# is not among the first ten.
#
# ## Settings are chosen on the validation part
#
# Every model, the baselines included, is tuned with the same care. Otherwise a tuned model could
# win for that reason alone. Two small searches:


# %%
def on_validation(model):
    """Returns NDCG@10 on the validation part."""
    result = tm.evaluate(model.fit(split), split, full, part="validation", baseline=False)
    return result.metrics["ndcg@10"]


ease = {value: on_validation(tm.EASE(regularization=value)) for value in (30, 100, 300, 1000)}
knn = {value: on_validation(tm.ItemKNN(neighbours=value)) for value in (20, 100, 400)}
print("ease   ", {value: round(ndcg, 4) for value, ndcg in ease.items()})
print("itemknn", {value: round(ndcg, 4) for value, ndcg in knn.items()})

# %% [markdown]
# `tm.tune` does this for many settings at once. A network has one more choice to make: when to
# stop. `patience=3` ends the training when three epochs have brought nothing on the validation
# part, and keeps the weights of the best one.

# %%
network = tm.MF(embedding_size=32, epochs=12, patience=3)

# %% [markdown]
# ## The comparison
#
# `compare` trains all models on the same split, measures each on the test, and writes the results
# with a report to a folder. If it is run again, only models with other settings are trained.

# %%
result = tm.compare(
    {
        "popularity": tm.Popularity(),
        "ease": tm.EASE(regularization=max(ease, key=ease.get)),
        "itemknn": tm.ItemKNN(neighbours=max(knn, key=knn.get)),
        "mf": network,
    },
    split,
    "which",
    protocol=full,
    k=(10,),
)
result

# %%
board = result.leaderboard
board.plot()

# %% [markdown]
# ## Could it be chance?
#
# The intervals overlap, and that does not answer the question. Two models are compared *user by
# user*: for whom is one better, and by how much? The test flips the signs of these differences at
# random, thousands of times, and counts how often chance alone leads to a difference as large. With
# many models some pair always looks different, so the p-values are corrected for their number.

# %%
for pair in board.comparisons:
    answer = "significant" if pair.significant else "may be chance"
    lead = f"{pair.better} over {pair.worse}: {pair.difference:.4f}"
    print(f"{lead}, p = {pair.p_value:.3f}, {answer}")

# %% [markdown]
# ## Another seed
#
# The test covers the choice of users, but not that of random numbers. A network begins with random
# weights, so another seed gives another model. How much does that change?

# %%
seeds = []
for seed in (1, 2, 3):
    model = tm.MF(embedding_size=32, epochs=12, patience=3, seed=seed).fit(split)
    seeds.append(tm.evaluate(model, split, full, baseline=False).metrics["ndcg@10"])
print([round(value, 4) for value in seeds])
print(f"mean {np.mean(seeds):.4f}, standard deviation {np.std(seeds, ddof=1):.4f}")

# %% [markdown]
# A lead that is smaller than this deviation says nothing. Report the mean and the deviation of
# several seeds, never the best of them.
#
# ## More than one number
#
# Where is the best model better? And do its lists reach more than the popular films?

# %%
best, best_result = board.ranked[0]
best_result.plot("hit_rate@10")

# %%
for entry, evaluation in board.ranked:
    shown = evaluation.metrics
    tail = shown["long_tail_fraction@10"]
    print(f"{entry.name}: {shown['coverage@10']:.0%} of the catalog shown, {tail:.0%} rare films")

# %% [markdown]
# On the command line, `tastemaker compare` does the same and writes a report for the browser. The
# page on [evaluation](../evaluation.md) explains every metric and test.
