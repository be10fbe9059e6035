"""The wire formats of providers. Inside Holdfast everything is OpenAI's chat completions."""
