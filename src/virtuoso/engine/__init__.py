"""Process 1: events in, scores out. Read pipeline, cycle, warmup, documents, publisher."""
