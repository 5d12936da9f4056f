"""A proxy that speaks OpenAI's API: it routes each request to the model that is worth it (extra `serve`)."""
