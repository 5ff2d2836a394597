"""Measurements of swimlb beside what people use today, in the same run on the same machine."""
