"""Running the cores: clock, driver, recorder, the link between the two processes, the supervisor."""
