"""Tests of the sandbox: each over a real socket, or of a pure part."""
