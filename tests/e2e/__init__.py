"""People at the page, in Debian's Chromium: business users, approvers and operators, from the upload to the results."""
