"""Traffic Light runners, on real sockets."""
