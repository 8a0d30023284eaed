"""The whole flow on a virtual clock: no threads, no sockets, no waiting. `python -m tests.simulation SEED` replays a seed."""
