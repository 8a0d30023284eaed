"""House rules: the limits and deadlines of the page's server; tests make them short."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class House:
    """Seconds, counts and bytes. What is not said by a setting is a default of the house."""

    read_only: bool = False

    # Connections
    header_s: float = 15.0  # from the connection, or the last answer, to a whole request header
    body_s: float = 60.0  # of a body without a byte, and of a form's whole body
    write_s: float = 60.0  # of an answer that nobody takes
    connections: int = 512
    connections_each: int = 64  # of one address; a trusted proxy has no such limit
    streams: int = 256  # event streams
    streams_each: int = 6  # of one visitor
    streams_look_s: float = 5.0  # so often it is looked whether who follows a run is still in

    # Logging in
    refusal_s: float = 0.5  # so long takes the answer to any token that is not taken
    tries: int = 10  # tokens not taken, from one address, within tries_s
    tries_all: int = 200  # from all addresses together
    tries_s: float = 900.0
    sessions_each: int = 20  # of one person; the oldest ends first

    # Ending
    leave_s: float = 5.0  # so long may answers under way take when the server ends
