"""What a speaker tells the cluster of itself: decided here, without I/O and without knowing how the API server writes it.

`statuses` keeps the objects that say what this node announces, `verdict` judges the configuration as this node sees it.
"""
