//! Nothing: this package holds the end-to-end tests in `tests/`, the components that they run in
//! `guests/`, and the program under test.
