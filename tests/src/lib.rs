//! GridPass.
