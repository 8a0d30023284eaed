"""What the command line and the page do alike: make a plan, let it run or not, open its run, carry it on, write its reports."""
