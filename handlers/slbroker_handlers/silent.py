"""The plugin of `slbroker record`: it answers nothing, and so is for copies of requests (`--shadow`)."""

from slbroker import Handlers

app = Handlers()
app.otherwise(lambda request: request.drop())
