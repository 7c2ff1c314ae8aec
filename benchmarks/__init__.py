"""How fast kntls is beside what people would use instead, each in one run on one machine."""
