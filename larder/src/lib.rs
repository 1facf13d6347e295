//! A cache framework: write get_or_load once, choose the store in configuration.
