"""Who decided what about which plan: a log that nobody can alter unnoticed."""
