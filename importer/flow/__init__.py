"""The order of steps. Imports core and ports only; decides nothing about a row."""
