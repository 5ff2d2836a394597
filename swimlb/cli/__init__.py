"""The command `swimlb`. One module per sub-command, imported when it is used."""
