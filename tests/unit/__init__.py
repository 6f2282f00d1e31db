"""The app, module by module: nothing but this machine's loopback is needed."""
