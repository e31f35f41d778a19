//! What each request of the page needs. Whoever asks for what is not named here is let in by nobody.

use hyper::Method;

use crate::access::Role;
use crate::server::api::AboutWhat;

/// What a request needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageNeed {
    /// Its method.
    pub method: &'static str,
    /// Its path, with the parts in braces.
    pub path: &'static str,
    /// At least this role.
    pub role: Role,
    /// What it is about.
    pub about: AboutWhat,
}

const fn need(method: &'static str, path: &'static str, role: Role, about: AboutWhat) -> PageNeed {
    PageNeed { method, path, role, about }
}

const fn look(path: &'static str) -> PageNeed {
    need("GET", path, Role::Viewer, AboutWhat::Integration)
}

const fn attempt(path: &'static str) -> PageNeed {
    need("POST", path, Role::Viewer, AboutWhat::Integration)
}

const fn edit(path: &'static str) -> PageNeed {
    need("POST", path, Role::Editor, AboutWhat::Integration)
}

const fn operate(path: &'static str) -> PageNeed {
    need("POST", path, Role::Operator, AboutWhat::Integration)
}

const NEEDS: &[PageNeed] = &[
    need("GET", "/", Role::Viewer, AboutWhat::Seen),
    need("POST", "/logout", Role::Viewer, AboutWhat::Seen),
    need("GET", "/integrations", Role::Viewer, AboutWhat::Seen),
    need("GET", "/integrations/new", Role::Operator, AboutWhat::Host),
    need("GET", "/integrations/new/{connector}", Role::Operator, AboutWhat::Host),
    need("POST", "/integrations/new/{connector}", Role::Operator, AboutWhat::Host),
    look("/integrations/{integration}"),
    edit("/integrations/{integration}/enable"),
    edit("/integrations/{integration}/disable"),
    edit("/integrations/{integration}/approve"),
    edit("/integrations/{integration}/check"),
    attempt("/integrations/{integration}/look-again"),
    look("/integrations/{integration}/conditions"),
    edit("/integrations/{integration}/conditions"),
    attempt("/integrations/{integration}/conditions/try"),
    look("/integrations/{integration}/fields"),
    edit("/integrations/{integration}/fields"),
    attempt("/integrations/{integration}/fields/try"),
    look("/integrations/{integration}/consents"),
    edit("/integrations/{integration}/consents"),
    attempt("/integrations/{integration}/consents/try"),
    look("/integrations/{integration}/full-sync"),
    edit("/integrations/{integration}/full-sync"),
    look("/integrations/{integration}/runs/{run}"),
    look("/integrations/{integration}/runs/{run}/progress"),
    edit("/integrations/{integration}/runs/{run}/cancel"),
    look("/integrations/{integration}/runs/{run}/contacts"),
    look("/integrations/{integration}/runs/{run}/contacts.csv"),
    look("/integrations/{integration}/runs/{run}/differences"),
    look("/integrations/{integration}/overviews"),
    edit("/integrations/{integration}/overviews"),
    edit("/integrations/{integration}/overviews/import"),
    edit("/integrations/{integration}/overviews/remove"),
    look("/integrations/{integration}/overviews/{overview}"),
    look("/integrations/{integration}/activity"),
    look("/integrations/{integration}/activity/rows"),
    look("/integrations/{integration}/activity/{delivery}"),
    edit("/integrations/{integration}/replay"),
    look("/integrations/{integration}/contacts"),
    look("/integrations/{integration}/contacts/{contact}"),
    edit("/integrations/{integration}/contacts/{contact}/sync"),
    edit("/integrations/{integration}/contacts/{contact}/try"),
    operate("/integrations/{integration}/contacts/{contact}/forget"),
    look("/integrations/{integration}/settings"),
    operate("/integrations/{integration}/settings"),
    operate("/integrations/{integration}/delete"),
];

/// What each request of the page needs, but those that nobody has to be known for: `/login` and `/assets/{name}`.
pub fn needs() -> &'static [PageNeed] {
    NEEDS
}

/// What one request needs; none: there is no such request.
pub fn need_of(method: &Method, path: &str) -> Option<PageNeed> {
    // A HEAD is a GET without its body.
    let method = if method == Method::HEAD { &Method::GET } else { method };
    NEEDS.iter().find(|need| need.path == path && need.method == method.as_str()).copied()
}
