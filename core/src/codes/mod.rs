//! Codes that identify people, organisations, places and equipment: pure functions over text.
