//! Promises that the program does not keep yet, each behind a name: `true` once it is kept, and then held to.

/// Of several contacts with one address, the strictest answer for a topic and channel holds for the address.
pub const SHARED_ADDRESSES_ARE_STRICT: bool = true;

/// When the contact who said no to a shared address leaves it, those who say yes are opted in again by themselves. Until
/// then whoever was once held back by somebody else's no may stay so.
pub const COMES_BACK_WHEN_THE_REFUSAL_GOES: bool = true;

/// Where two consent types are mapped to one subscription, saying yes again to the one that was refused opts in again,
/// though the yes to the other one is older than the refusal. (The older of the two counts as the answer's date.)
pub const COMES_BACK_WHEN_THE_OTHER_ROW_DOES: bool = false;

/// New rules hold for every contact that is read after they were applied.
pub const NEW_RULES_HOLD_AT_ONCE: bool = true;

/// Who unsubscribes in APSIS One unsubscribes the address: another contact's older yes does not opt it in.
pub const UNSUBSCRIBING_IS_THE_ADDRESSES: bool = false;

/// A new address is opted in wherever the old one was, and then the old one is opted out of all: also where consents
/// stay with the address, and also where a profile that is no contact's holds the old one.
pub const ADDRESS_CHANGES_ARE_WHOLE: bool = true;

/// An opt-out that was made because of another contact's no is known as ours also where APSIS One has refused to undo it
/// (after an import), or has refused another opt-out of the same contact: a forced full sync opts in again then.
pub const COMES_BACK_AFTER_A_REFUSED_OPT_IN: bool = false;

/// Where consents stay with the address, an address that a profile gets back is not mailable for a moment for what was opted
/// in there before. (Consents are a profile's in the accounts that are documented.)
pub const WHAT_COMES_BACK_IS_RIGHT_AT_ONCE: bool = false;

/// An opt-out that an import made because of another contact's no is known as ours after its mapping has gone and come
/// back. (An import's opt-out says of nobody that he made it, and while there was no mapping somebody else may have.)
pub const KNOWS_AN_IMPORTS_OPT_OUT_AFTER_ITS_MAPPING_CAME_BACK: bool = false;
