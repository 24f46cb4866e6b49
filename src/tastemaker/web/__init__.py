"""The page: what a person sees. It speaks to the API as any client would."""
