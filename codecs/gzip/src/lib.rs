//! gzip codec of Larder, on flate2.
