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
# The order of events holds information that a set of items lacks: somebody who has just looked at
# tents wants something different from what they wanted a year ago. A *sequence model* reads a
# history like a sentence and predicts the next item, as a language model predicts the next word.
# Attributes of products and visitors add what no history tells. This notebook uses both.

# %%
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
# ## A number that is too good
#
# The log has views, carts, purchases and returns. Suppose that purchases are to be predicted, from
# everything before them. Before any network, try the simplest idea: `Repeat` recommends what the
# visitor touched last.

# %%
everything = tm.read(
    invented.events,
    name="all events",
    event="event",
    event_weights={"view": 1, "addtocart": 4, "purchase": 10},
    targets=["purchase"],
    negative=["return"],
)
too_good = tm.Repeat().fit(tm.leave_one_out(everything))
tm.evaluate(too_good, protocol=tm.FullRanking())

# %% [markdown]
# Every purchase is among the first ten, nearly always first, and nothing was learned: whoever buys
# a product has put it into the cart just before, so the answer is the last event of the history.
# Any model that sees it looks good, and none is of use. When a result is too good, look for the
# answer in the input.
#
# ## A useful question
#
# What will a visitor buy next, given only earlier *purchases*? The tables of products and visitors
# are read with them. The notes say what each column became: a category, a number, a date, words, a
# vector.

# %%
purchases = invented.events.filter(event="purchase").drop("event", "seconds")
data = tm.read(purchases, name="purchases", items=invented.products, users=invented.visitors)
split = tm.leave_one_out(data)
split

# %% [markdown]
# On average, a product has fewer than six buyers in the training part. From so little, what is
# known of a product besides its id should matter.
#
# - `EASE` sees the *set* of items in a history. With `feature_weight`, it also sees which products
#   share attributes.
# - `SASRec` (Kang and McAuley 2018) sees their *order*: it pays attention to earlier events, and
#   learns which of them matter for the next one. With `features` it adds the attributes of each
#   product to its vector, with `user_features` those of the visitor.

# %%
settings = {"embedding_size": 32, "batch_size": 32, "epochs": 30, "seed": 0}
result = tm.compare(
    {
        "popularity": tm.Popularity(),
        "ease": tm.EASE(regularization=100),
        "ease, attributes": tm.EASE(regularization=100, feature_weight=1),
        "sasrec": tm.SASRec(**settings),
        "sasrec, attributes": tm.SASRec(**settings, features=True, user_features=True),
    },
    split,
    "sequences",
    k=(10,),
)
result

# %%
result.leaderboard.plot()

# %% [markdown]
# Attributes help both kinds of model, and the sequence model far more: alone it has to learn from
# a handful of purchases what each product is. With so little data the linear model holds its place;
# sequence models need many events to show what order is worth ([results](../../README.md#results)
# on a million of them). The comparison decides, not the name of a model.
#
# ## A visitor without a history
#
# Two visitors have just arrived. All that is known is a country and a year of birth.

# %%
model = result.models["sasrec, attributes"]
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
# ## The list follows the last event
#
# The visitor with the longest history, after two purchases and after the third. The model is not
# trained again; it reads the longer history.

# %%
visitor = data.user_vocabulary.ids[int(data.user_counts.argmax())]
history = data.to_frame().filter(user_id=visitor)["item_id"].to_list()
before, after = (
    model.recommend(model.unseen_users([events]), k=5).frame["title"].to_list()
    for events in (history[:2], history[:3])
)
bought = data.catalog.frame.filter(item_id=history[2])["title"].item()
print("before: ", before)
print("bought: ", bought)
print("after:  ", after)

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
