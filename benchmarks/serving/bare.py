"""The least that FastAPI can do: a route that returns a fixed list of ten."""

import sys

import uvicorn
from fastapi import FastAPI

app = FastAPI()
TEN = [{"item_id": n, "rank": n, "score": 1.0 / n, "title": f"Item {n}"} for n in range(1, 11)]


@app.get("/ten")
async def ten() -> dict[str, object]:
    """Ten items."""
    return {"user_id": 1, "items": TEN}


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), access_log=False, log_level="warning")
