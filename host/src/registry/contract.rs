//! The contract as a WIT package, for authors of connectors: encoded as WebAssembly, as registries of such packages have
//! it, so that `wkg get` finds it.

use wit_parser::Resolve;

use super::error::RegistryError;
use super::place::Place;
use crate::connector::{PACKAGE, VERSION};

/// The contract's text.
const CONTRACT: &str = include_str!("../../../wit/crm-connector.wit");

/// The contract as a WIT package.
///
/// # Errors
/// [`RegistryError::Contract`].
pub fn contract_package() -> Result<Vec<u8>, RegistryError> {
    let encode = || {
        let mut resolve = Resolve::default();
        let package = resolve.push_source("crm-connector.wit", CONTRACT)?;
        wit_component::encode(&resolve, package, false)
    };
    encode().map_err(|error| RegistryError::Contract(error.root_cause().to_string()))
}

/// A place where `wkg` finds the contract: it makes the name of the package's, and the tag of its version.
///
/// # Errors
/// It is no place, or another one.
pub fn contract_place(text: &str) -> Result<Place, RegistryError> {
    let place = Place::parse(text)?;
    let name = PACKAGE.replace(':', "/");
    let is_named_so = place.name() == name || place.name().ends_with(&format!("/{name}"));
    if !is_named_so || place.tag() != Some(VERSION) {
        let problem = format!("wkg looks for the contract at REGISTRY/NAMESPACE/{name}:{VERSION}");
        return Err(RegistryError::Place { place: text.to_owned(), problem });
    }
    Ok(place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::layout::{Contents, Kind};

    #[test]
    fn the_contract_is_a_package() {
        let contents = Contents::of(&contract_package().unwrap()).unwrap();
        assert_eq!(contents.kind, Kind::WitPackage);
    }

    #[test]
    fn the_contract_lies_where_it_is_looked_for() {
        for (text, is_there) in [
            (format!("r.example/sluice/crm-connector:{VERSION}"), true),
            (format!("r.example/acme/wit/sluice/crm-connector:{VERSION}"), true),
            (format!("r.example/mysluice/crm-connector:{VERSION}"), false),
            (format!("r.example/crm-connector:{VERSION}"), false),
            ("r.example/sluice/crm-connector:latest".to_owned(), false),
        ] {
            assert_eq!(contract_place(&text).is_ok(), is_there, "{text}");
        }
    }
}
