//! The way to APSIS One.
