"""Traffic Light: runners say hello by HTTP, and are given work by a webhook of their own."""
