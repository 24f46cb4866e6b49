# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # The tutorial, and what it does not show
#
# A well-known tutorial trains *neural collaborative filtering* (NCF, He et al. 2017) on MovieLens:
# a small network that learns which films a user watches next. This notebook follows it step by
# step, and then looks at its result more closely.
#
# You need to know Python. A *recommender* answers one question: given what a person has touched so
# far, which items come next?

# %%
import tastemaker as tm

# %% [markdown]
# ## The data
#
# MovieLens holds ratings of films. If it is neither on this machine nor can be downloaded, an
# invented data set of the same form takes its place, and everything below works in the same way;
# only the numbers differ.

# %%
try:
    everything = tm.load("ml-latest-small")
except tm.TastemakerError as error:
    print(error)
    everything = tm.load("synthetic")
everything

# %% [markdown]
# ### Explicit and implicit feedback
#
# A rating is *explicit* feedback: the user states an opinion. Most products never get one; they see
# clicks, plays and purchases, which is *implicit* feedback. The tutorial turns the first into the
# second: whoever rated a film has watched it, so every rating counts as a 1, whatever its value.
# There are no zeros: a film without a rating may be disliked or unknown, and nobody can tell.
#
# The values are still there. `min_rating=4` would count only films that the user liked.

# %%
everything.to_frame()["rating"].value_counts(sort=True).head()

# %% [markdown]
# The tutorial keeps a random 30% of the users, with all of their ratings, to save time.

# %%
data = tm.sample_users(everything, 0.3, seed=7)
data

# %% [markdown]
# ## What is held out
#
# A model must be judged on something that it has not seen. The tutorial holds out the *latest* film
# of each user (leave one out by time). A random film would be easier to guess, since training would
# contain later films, which do not exist yet in a product. A second film, the one before, is the
# *validation* part, on which settings are chosen.

# %%
split = tm.leave_one_out(data)
split

# %% [markdown]
# ## The network
#
# NCF looks up a vector of 8 numbers for the user and one for the film. Both go through two layers
# into one number: how likely is it that they belong together? For each film that a user watched
# (a *positive*), four films that the user did not watch are drawn at random (*negatives*), again in
# each epoch, since with positives alone "yes" would always be right.

# %%
model = tm.NCF(epochs=5, negatives=4, seed=7).fit(split)
model

# %%
for record in model.log.records:
    print(f"epoch {record['epoch']}: loss {record['loss']:.4f}")

# %% [markdown]
# ## The result of the tutorial
#
# Each held-out film is ranked among 99 films drawn at random from those that the user never
# watched. *Hit rate@10* is the fraction of users whose film is among the first ten.

# %%
sampled = tm.evaluate(model, split, tm.SampledRanking(negatives=99))
sampled

# %% [markdown]
# The tutorial ends here, with a hit rate that looks good. Four things are missing.
#
# ## 1. Is it better than no model at all?
#
# The column `popularity` above is the simplest list there is: the films that most people watched,
# the same for everybody. A model is worth its cost only by what it adds to that. The interval shows
# which values other users of the same kind might have led to; with few users it is wide.
#
# ## 2. Sampled ranking flatters
#
# A product does not choose among 100 films, but among all of them. 99 random films are mostly films
# that nobody wants, so it is easy to rank above them. The honest test ranks the held-out film among
# all films that the user had not watched (*full ranking*).

# %%
full = tm.evaluate(model, split, tm.FullRanking())
full

# %%
print(f"hit rate@10, among 100 films: {sampled.metrics['hit_rate@10']:.3f}")
print(f"hit rate@10, among all {data.n_items:,}:  {full.metrics['hit_rate@10']:.3f}")

# %% [markdown]
# The number falls to a fraction of what it was. Even the order of two models can change between the
# two (Krichene and Rendle 2020), so sampled results cannot be used to choose a model.
#
# ## 3. For whom does it work?
#
# A mean hides where it comes from. The picture shows the same metric for users with short and long
# histories, and for popular and rare films. A model may be good for popular films alone.

# %%
full.plot("ndcg@10")

# %% [markdown]
# ## 4. A tuned linear model
#
# EASE (Steck 2019) has no layers and no epochs. It predicts each film by a weighted sum of the
# films in the history, and the weights have a closed form. Its most important setting, the penalty
# `regularization`, is chosen here on the validation part, never on the test.

# %%
choices = {}
for regularization in (10, 100, 1000):
    candidate = tm.EASE(regularization=regularization).fit(split)
    on_validation = tm.evaluate(candidate, split, tm.FullRanking(), part="validation")
    choices[regularization] = on_validation.metrics["ndcg@10"]
choices

# %%
best = max(choices, key=choices.get)
models = {"ncf": model, "ease": tm.EASE(regularization=best), "popularity": tm.Popularity()}
entries = []
for name, one in models.items():
    result = full if one is model else tm.evaluate(one.fit(split), split, tm.FullRanking())
    entries.append(tm.Entry(name, result))
board = tm.Leaderboard(entries)
board

# %%
board.plot()

# %% [markdown]
# The linear model leads, and it was trained in seconds. The sentence below the table says whether
# the lead could be due to chance. With only 30% of the users, even a large lead may be due to
# chance: fewer users save time but widen the intervals. It is common that a simple model with a
# well-chosen setting beats a network (Ferrari Dacrema et al. 2019).
#
# ## Lists
#
# In the end a user sees a list, not a metric. `because` names the films of the history that count
# most for each film of the list.

# %%
ease = models["ease"]
user = data.user_vocabulary.ids[0]
ease.recommend(user, k=5, because=2)

# %% [markdown]
# A visitor who was never in the data gets a list from a history alone:

# %%
history = data.item_vocabulary.ids[:3].to_list()
ease.recommend(ease.unseen_users([history]), k=5)

# %% [markdown]
# Continue with [comparing models](3_comparing.py), or with [your own file](2_your_own_csv.py).
