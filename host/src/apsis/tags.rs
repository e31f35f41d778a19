//! The tags that a section has. APSIS One offers no call that makes one, as far as is published: people make them there.

use super::client::Call;
use super::definitions::find;
use super::error::{ApsisError, Operation};
use super::inferred::{Items, NamedItem};
use super::profiles::Target;
use crate::profile::TagId;

/// A tag of the section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagDefinition {
    /// Its discriminator.
    pub id: TagId,
    /// What people call it.
    pub name: String,
}

/// The tags of a section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tags(pub Vec<TagDefinition>);

impl Tags {
    /// A tag by discriminator, or by name where that is unique.
    ///
    /// # Errors
    /// There is none; the error names those there are, and says how to make one.
    pub fn tag(&self, name_or_id: &str) -> Result<&TagDefinition, ApsisError> {
        if self.0.is_empty() {
            return Err(ApsisError::Setting {
                setting: "tag",
                message: "the section has no tag yet; make one in APSIS One, and name it here".to_owned(),
            });
        }
        find("tag", "tag", &self.0, name_or_id, |item| (&item.id.0, &item.name)).map_err(
            |error| match error {
                ApsisError::Setting { setting, message } => {
                    let message = format!("{message}. A tag that is missing is made in APSIS One");
                    ApsisError::Setting { setting, message }
                }
                error => error,
            },
        )
    }

    /// Whether there is a tag of this discriminator.
    pub fn has(&self, id: &TagId) -> bool {
        self.0.iter().any(|tag| tag.id == *id)
    }
}

impl Target {
    /// The tags of the section.
    ///
    /// # Errors
    /// APSIS One does not answer, or refuses.
    pub async fn section_tags(&self) -> Result<Tags, ApsisError> {
        let path = ["audience", "sections", &self.scope.section.0, "tags"];
        let answer = self.client.send(&Call::get(Operation::ReadTags, &path)).await?;
        let found: Items<NamedItem> = answer.read("it is not a list of tags")?;
        let tag = |item: NamedItem| TagDefinition { id: TagId(item.discriminator), name: item.name };
        Ok(Tags(found.items.into_iter().map(tag).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_found_by_name_or_discriminator_and_a_missing_one_says_what_to_do() {
        let tag = |id: &str, name: &str| TagDefinition { id: TagId(id.into()), name: name.into() };
        let tags =
            Tags(vec![tag("usercreated.tags.fair-1", "Spring fair"), tag("usercreated.tags.vip-2", "VIP")]);
        for name in ["usercreated.tags.vip-2", "VIP", "vip"] {
            assert_eq!(tags.tag(name).map(|tag| tag.id.0.as_str()), Ok("usercreated.tags.vip-2"), "{name}");
        }
        let missing = tags.tag("Autumn fair").unwrap_err().to_string();
        assert!(missing.contains("Spring fair") && missing.contains("made in APSIS One"), "{missing}");
        let none = Tags(Vec::new()).tag("VIP").unwrap_err().to_string();
        assert!(none.contains("make one in APSIS One"), "{none}");
    }
}
