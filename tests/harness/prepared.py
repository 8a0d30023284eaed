"""Prepared: what takes a while is done once, in the process that commands are forked from."""

from importer.writers.preview_html import page

page().environment.get_template("plan.html").module  # noqa: B018 - with all that it imports
