//! Definitions of collections, fields, code tables, forms and rules.
