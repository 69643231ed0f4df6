"""What our processes say to each other and to browsers: keys, messages, schema."""
