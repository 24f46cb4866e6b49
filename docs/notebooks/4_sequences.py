# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Sequences and attributes
#
# The order of events holds information that a set of items lacks: who just looked at tents wants
# something else than a year ago. A *sequence model* reads a history like a sentence and predicts
# the next item, as a language model predicts the next word. Attributes of products and visitors
# add what no history tells. This notebook uses both.

# %%
import polars as pl
import torch

import tastemaker as tm
from tastemaker.data.shop import shop

# %% [markdown]
# ## An invented shop
#
# Real logs of a shop cannot be given away, so this one is invented, with known rules: visitors look
# for products of one department until the need changes, and like some brands and a price band.
# `tastemaker shop` writes the same tables as files. Here is a small one.

# %%
invented = shop(n_visitors=800, n_products=300)
invented.events.head(3)

# %%
invented.products.select("item", "title", "brand", "price", "categories", "launched").head(3)

# %%
invented.visitors.head(3)

# %% [markdown]
# ## One data set from three tables
#
# Purchases are the *targets*: they are held out and predicted. Views and carts stay in the history.
# A return says no: that product is not recommended to this visitor again. The notes say what each
# column of the tables became.

# %%
data = tm.read(
    invented.events,
    name="shop",
    event="event",
    event_weights={"view": 1, "addtocart": 4, "purchase": 10},
    targets=["purchase"],
    negative=["return"],
    items=invented.products,
    users=invented.visitors,
)
split = tm.leave_one_out(data)
split

# %%
print("products:", dict(data.catalog.features))
print("visitors:", dict(data.user_table.features))

# %% [markdown]
# ## Does the order help?
#
# `EASE` sees the set of items in a history. `SASRec` (Kang and McAuley 2018) sees their order: it
# pays attention to earlier events and learns which of them matter for the next one.

# %%
settings = {"embedding_size": 32, "epochs": 10, "seed": 0}
result = tm.compare(
    {
        "popularity": tm.Popularity(),
        "ease": tm.EASE(),
        "sasrec": tm.SASRec(**settings),
        "with attributes": tm.SASRec(**settings, features=True, user_features=True),
    },
    split,
    "sequences",
    k=(10,),
)
result

# %%
result.leaderboard.plot()

# %% [markdown]
# The order is worth far more than anything else here. Attributes add little where every product has
# many events already: the events say the same. Their worth is elsewhere, where there are none.
#
# ## A visitor without a history
#
# Two visitors have just arrived. All that is known is a country and a year of birth.

# %%
model = result.models["with attributes"]
countries = invented.visitors["country"].unique().sort().to_list()
print(countries)

newcomers = model.unseen_users(
    [[], []],
    features=[
        {"country": countries[0], "birth_year": 1960},
        {"country": countries[-1], "birth_year": 2000},
    ],
)
lists = model.recommend(newcomers, k=5).frame.join(
    invented.products.select("item", "brand", "price"), left_on="item_id", right_on="item"
)
for name, rows in zip(("first", "second"), (lists[:5], lists[5:]), strict=True):
    print(name, rows.select("title", "brand", "price").rows())

# %% [markdown]
# A model without attributes has only one answer for both, the most popular products.
#
# ## The list follows the last event
#
# The same visitor, before and after one more view. A sequence model needs no training for it; it
# reads the longer history.

# %%
seen = invented.events.filter(pl.col("visitor") == invented.events["visitor"][0])["item"].to_list()
other = invented.products.filter(~pl.col("item").is_in(seen)).filter(
    pl.col("item").is_in(data.item_vocabulary.ids.to_list())
)["item"][0]
before = model.recommend(model.unseen_users([seen[:5]]), k=5).frame["title"].to_list()
after = model.recommend(model.unseen_users([[*seen[:5], other]]), k=5).frame["title"].to_list()
print("before:", before)
print("after: ", after)

# %% [markdown]
# ## A new product
#
# A product that was launched today has no events. Its attributes give it a place among the others:
# a vector of the same space, next to products that it resembles. A service does this for every
# product that is added while it runs.

# %%
example = invented.products.row(0, named=True)
launched = {name: example[name] for name in ("brand", "price", "categories")}
vector = model.new_item_keys([launched]).keys[0]
similarity = torch.cosine_similarity(vector, model.item_keys)
nearest = similarity.topk(3).indices.tolist()
print(launched)
data.catalog.frame[nearest].select("title", "brand", "price", "categories")

# %% [markdown]
# The pages on [data](../data.md#features) and on [models](../models.md) list what each model reads.
# [The next notebook](5_service.py) puts a model behind HTTP.
