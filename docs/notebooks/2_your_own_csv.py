# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Your own file
#
# A log of interactions has one row for each event: a user, an item and, if possible, a time. Real
# files have more than that, and errors. This notebook writes such a file and reads it, one problem
# after the other. The rule behind all of it: every guess and every dropped row is reported.

# %%
import random
from pathlib import Path

import tastemaker as tm

# %% [markdown]
# ## A messy file
#
# Visitors of an invented shop, with column names of its own, semicolons, ids with leading zeros,
# two kinds of events, and two rows in which something is missing.

# %%
draw = random.Random(0)
lines = ["Visitor;SKU;When;Action;Pages"]
for n in range(3000):
    visitor = draw.randrange(200)
    usual = 10 * (visitor % 4) + draw.randrange(14)
    sku = usual if draw.random() < 0.8 else draw.randrange(60)
    day, action = n // 20, draw.choice(["view", "view", "view", "buy"])
    when = f"2026-{1 + day // 28:02d}-{1 + day % 28:02d} {8 + n % 12:02d}:{n % 60:02d}"
    lines.append(f"{visitor:05d};{sku:03d};{when};{action};{draw.randrange(9)}")
lines[40] = lines[40][5:]  # no visitor
lines[77] = lines[77].replace(lines[77].split(";")[1], "NA", 1)  # no item

file = Path("visits.csv")
file.write_text("\n".join(lines))
print("\n".join(lines[:4]))

# %% [markdown]
# ## Missing values
#
# Mistakes in data raise an error of the class `TastemakerError`. Its text names the file, the
# column, the line and what to do. Here it is printed, so that the notebook goes on.


# %%
def attempt(action):
    """Returns what the action returns, or prints why it cannot be done."""
    try:
        return action()
    except tm.TastemakerError as error:
        print(error)


attempt(lambda: tm.read(file))

# %% [markdown]
# Two rows of three thousand may well be left out, but that is a decision, so it has to be made:

# %%
data = tm.read(file, drop_missing=True)
data

# %% [markdown]
# ## Read the notes
#
# The lines below the table are *notes*: what was guessed, and what was not used. They are in
# `data.notes` as well. Visitor and SKU were found by their names. `When` was not, and a log without
# times cannot be split by time:

# %%
attempt(lambda: tm.leave_one_out(data))

# %% [markdown]
# So the column is named. A misspelt name is found at once:

# %%
attempt(lambda: tm.read(file, drop_missing=True, time="Wen"))
data = tm.read(file, drop_missing=True, time="When")

# %% [markdown]
# ## Kinds of events
#
# A note said that `Action` looks like the kind of each event. A purchase says more than a view, and
# it is purchases that should be predicted. Each kind needs a weight; one that was forgotten is
# reported with its number of rows.

# %%
attempt(
    lambda: tm.read(file, drop_missing=True, time="When", event="Action", event_weights={"view": 1})
)

# %%
data = tm.read(
    file,
    drop_missing=True,
    time="When",
    event="Action",
    event_weights={"view": 1, "buy": 5},
    targets=["buy"],
)
data

# %% [markdown]
# ## A value that cannot be read
#
# Somebody typed a word into a column of times. The message has the line and the value.

# %%
broken = list(lines)
broken[100] = broken[100].replace(broken[100].split(";")[2], "yesterday")
Path("broken.csv").write_text("\n".join(broken))
attempt(lambda: tm.read("broken.csv", drop_missing=True, time="When"))

# %% [markdown]
# ## What is in it?
#
# `describe` counts what matters for a recommender. Is there enough for each user and each item?

# %%
card = tm.describe(data)
print(f"{card.n_interactions:,} pairs of {card.n_users} visitors and {card.n_items} items")
print(f"from {card.time_range[0]} to {card.time_range[1]}")
print(f"{card.density:.1%} of all pairs, {card.n_duplicates} repeated events")
for kind in card.kinds:
    print(f"{kind.kind}: {kind.events} events, weight {kind.weight:g}, target: {kind.is_target}")

# %% [markdown]
# ## From the file to lists
#
# The latest purchase of each visitor is held out, and a first model is compared with popularity.

# %%
split = tm.leave_one_out(data)
model = tm.EASE(regularization=30).fit(split)
tm.evaluate(model, split, tm.FullRanking())

# %% [markdown]
# Ids come back as they were in the file, with their zeros. The lists of all visitors go to a file
# in one line.

# %%
lists = model.recommend(k=3)
lists.frame.write_csv("lists.csv")
lists

# %% [markdown]
# The same works on the command line: `tastemaker inspect visits.csv --drop-missing --time When`.
# The page on [data](../data.md) lists everything that can be read.
