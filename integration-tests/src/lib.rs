//! Larder against real servers.
