"""The worker process: loads a plugin, takes requests from every edge it is connected to, answers them.

`loader` finds the plugin, `worker` runs it, `bundled` is the plugin that serves when none is named.
"""
