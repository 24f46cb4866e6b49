# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # From a run to a service
#
# A model in a notebook helps nobody. This notebook saves one, serves it over HTTP, sends a click,
# and watches the list change.

# %%
import atexit
import subprocess
import sys
import time

import tastemaker as tm
from tastemaker.client import Client
from tastemaker.wire import Event

# %% [markdown]
# ## A run
#
# A *run* is a folder with everything that is needed to recommend: weights, settings, data and the
# evaluation, with checksums. Nothing in it is ever unpickled, so a run from elsewhere cannot
# execute code.

# %%
data = tm.load("synthetic")
split = tm.leave_one_out(data)
model = tm.EASE(regularization=300).fit(split)
result = tm.evaluate(model, split, tm.FullRanking())
tm.save_run("run", model, result)
result

# %% [markdown]
# Whoever opens the run gets the same lists:

# %%
again = tm.open_run("run")
assert again.recommend([42]).frame.equals(model.recommend([42]).frame)
again.recommend([42], k=5)

# %% [markdown]
# ## Start the service
#
# In a terminal this is `tastemaker serve run`. Here it runs beside the notebook, on a port that is
# free; the first line that it prints has the address. Events go to a SQLite file beside the run. If
# the notebook ends early, so does the service.

# %%
command = [sys.executable, "-m", "tastemaker", "serve", "run", "--port", "0"]
service = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
atexit.register(service.terminate)
address = service.stdout.readline().rpartition(" at ")[2].strip()
address

# %% [markdown]
# `Client` sends requests to it from Python. Any other language can do the same: the requests are
# JSON, and the service describes them at `/docs`.

# %%
client = Client(address)
for _ in range(600):
    try:
        print(client.ready())
        break
    except tm.TastemakerError:  # it is still starting
        time.sleep(0.1)


# %%
def show(listing):
    """Prints the titles of a list."""
    print(f"from {listing.source}")
    for item in listing.items:
        print(f"{item.rank}. {item.title}")


before = client.recommend(42, k=5)
show(before)

# %% [markdown]
# ## A click
#
# User 42 opens the first film of the list. The event is on disk when `record` returns, and the next
# list takes it into account: the film is gone, and the others have moved. Nothing was trained.

# %%
clicked = before.items[0]
client.record(Event(user_id=42, item_id=clicked.item_id))
after = client.recommend(42, k=5)
show(after)

# %%
titles_before = [item.title for item in before.items]
titles_after = [item.title for item in after.items]
assert clicked.title not in titles_after
print("new in the list:", [title for title in titles_after if title not in titles_before])

# %% [markdown]
# ## Somebody new
#
# A visitor whom nobody has seen gets what is popular at the moment. From the first click on, the
# list comes from the model; here are two clicks.

# %%
show(client.recommend("somebody-new", k=3))
for title in titles_before[:2]:
    chosen = next(item for item in before.items if item.title == title)
    client.record(Event(user_id="somebody-new", item_id=chosen.item_id))
show(client.recommend("somebody-new", k=3))

# %% [markdown]
# ## And they may leave
#
# A visitor can take back an event, or have everything deleted.

# %%
client.retract(42, clicked.item_id)
assert client.recommend(42, k=5).items == before.items
client.forget("somebody-new")

# %% [markdown]
# ## Stop it

# %%
client.close()
service.terminate()
service.wait(timeout=30)
print("The service has stopped.")

# %% [markdown]
# `tastemaker serve run --open` opens a storefront in the browser, and `tastemaker learn run` trains
# the next model on the events. The page on [serving](../serving.md) has all of it.
