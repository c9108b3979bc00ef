"""From a measured table to a report: what the delays are like, and a config that simulates them."""
