#!/bin/sh
# rustdoc, with its JSON, which only a nightly toolchain gives otherwise. The compiler is not told, so that what it has
# checked for other tasks need not be checked again.
RUSTC_BOOTSTRAP=1 exec rustdoc "$@"
