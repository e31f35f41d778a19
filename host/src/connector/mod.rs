//! The way to a CRM.

mod bindings;
