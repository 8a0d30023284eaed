"""What the importer knows about rows, task requests and outcomes. Pure: no clock, files, network, concurrency or logging."""
