//! Sync conditions, field mapping and consent mapping: pure.
