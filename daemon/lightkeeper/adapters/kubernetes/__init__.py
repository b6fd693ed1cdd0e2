"""A Kubernetes cluster: its API server, and what is delivered into it.

`clusters` is where to begin. What imports lightkube, an optional extra, it imports only when a
cluster is asked for.
"""
