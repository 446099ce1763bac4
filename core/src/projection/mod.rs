//! What is derived from a record by the same code on both sides.
