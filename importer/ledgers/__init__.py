"""Where plans, runs, rows, calls in doubt, state changes and audit entries are kept durably."""
