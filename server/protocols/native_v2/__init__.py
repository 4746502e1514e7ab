"""native-v2: one batched call carries all a runner has to say and all it needs to know."""
