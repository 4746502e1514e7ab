"""Messages shared by the coordinator and its clients, as msgspec structs."""
