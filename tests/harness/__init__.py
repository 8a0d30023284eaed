"""What the tests of faults share: a referee, a fault proxy, kill points, disks that fail. Imports nothing of the importer's inside."""
