//! The way to a CRM: components, their calls, limits and outbound requests.
