//! Contacts that share an address: what each says of it is heard before anything is decided, and the strictest
//! answer holds for all of them.
//!
//! A run hears contacts page by page, so that what was decided early may not know yet what a later page says: when
//! all is read, those who share an address are decided again. The lane hears a contact before it writes it, and looks
//! again at the others.

use std::collections::{BTreeSet, HashMap};

use super::deciding::{Known, decide_again};
use super::failure::SyncError;
use super::work::Work;
use crate::address::{AddressDigest, Holding, Says, Voices};
use crate::contact::{Channel, Contact, ContactId};
use crate::profile::{Answer, WantedConsent};
use crate::rules::Rules;
use crate::run::{Decided, Outcome, Run, RunKind, Source};
use crate::store::{Hearer, PageCommit};
use crate::story::{Tombstone, mark};

/// Contacts looked at in one go.
const TAKE: u32 = 500;

/// What a contact says on each channel, whether it is synced or not: a refusal counts for the address whoever makes it.
/// Who has which address is known also where no consent is mapped as yet.
pub fn holdings(rules: &Rules, contact: &Contact) -> Vec<Holding> {
    let answers = rules.consents(contact);
    [(Channel::Email, rules.email(contact)), (Channel::Sms, rules.mobile(contact))]
        .into_iter()
        .map(|(channel, address)| {
            let answers: Vec<WantedConsent> =
                answers.iter().filter(|one| one.channel == channel).cloned().collect();
            let unsaid = rules.paused_consents().iter().filter(|(_, of)| *of == channel).cloned().collect();
            let is_kept = channel == Channel::Sms && rules.leaves_mobile(contact);
            Holding {
                contact: contact.id.clone(),
                channel,
                says: if is_kept {
                    Says::AsBefore { answers, unsaid }
                } else {
                    let address = address.map(|text| AddressDigest::of(channel, &text));
                    Says::State { address, answers, unsaid }
                },
            }
        })
        .collect()
}

/// What a contact that was forgotten refuses for its addresses, under its mark.
pub fn refusals_under_mark(rules: &Rules, contact: &Contact, tombstone: &Tombstone) -> Vec<Holding> {
    let refusals = |holding: Holding| {
        let contact = mark(&tombstone.digest);
        let says = match holding.says {
            Says::State { address: Some(address), answers, .. } => {
                let refused = |one: &WantedConsent| matches!(one.answer, Answer::Refused(_));
                let answers: Vec<WantedConsent> = answers.into_iter().filter(refused).collect();
                match answers.is_empty() {
                    true => Says::Gone,
                    false => Says::State { address: Some(address), answers, unsaid: BTreeSet::new() },
                }
            }
            _ => Says::Gone,
        };
        Holding { contact, says, ..holding }
    };
    // Where nothing is mapped now, the mark keeps what it has.
    let is_mapped = |holding: &Holding| match &holding.says {
        Says::State { answers, .. } | Says::AsBefore { answers, .. } => !answers.is_empty(),
        Says::Answers(_) | Says::Gone => true,
    };
    holdings(rules, contact).into_iter().filter(is_mapped).map(refusals).collect()
}

/// That nothing is said anew by a contact of which only the others' say is asked.
pub fn nothing_new(contact: &ContactId) -> Vec<Holding> {
    told(contact, &[])
}

/// What single answers say, all else being as it was.
pub fn told(contact: &ContactId, answers: &[WantedConsent]) -> Vec<Holding> {
    both(contact, |channel| {
        Says::Answers(answers.iter().filter(|one| one.channel == channel).cloned().collect())
    })
}

/// That a contact is there no more.
pub fn gone(contact: &ContactId) -> Vec<Holding> {
    both(contact, |_| Says::Gone)
}

fn both(contact: &ContactId, says: impl Fn(Channel) -> Says) -> Vec<Holding> {
    let of = |channel| Holding { contact: contact.clone(), channel, says: says(channel) };
    vec![of(Channel::Email), of(Channel::Sms)]
}

/// Channels on which there may be others whom a run does not hear, either: a daily run reads only who is new.
pub fn unheard<'a>(run: &Run, voices: &'a Voices) -> &'a [Channel] {
    if run.kind == RunKind::Daily { &voices.unheard } else { &[] }
}

/// Decides again those who share an address, now that everybody is read.
///
/// # Errors
/// When the store fails.
pub async fn settle(work: &Work, run: &Run) -> Result<(), SyncError> {
    let Work { store, fence, .. } = work;
    // Only who reads all of the CRM knows who is gone.
    if run.kind != RunKind::Daily && run.source == Source::Crm {
        store.forget_unread(fence, run.id).await?;
    }
    let mut after: Option<ContactId> = None;
    loop {
        let sharing = store.sharing(run.id, after.as_ref(), TAKE).await?;
        let Some(last) = sharing.last() else { return Ok(()) };
        after = Some(last.clone());
        let heard =
            store.hear(fence, Hearer::Run(run.id), sharing.iter().flat_map(nothing_new).collect()).await?;
        let decided = again(work, run, &sharing, &heard).await?;
        if !decided.is_empty() {
            let page = PageCommit { decided, discarded: Vec::new(), next: None, total: None };
            store.commit_page(fence, run.id, page).await?;
        }
    }
}

async fn again(
    work: &Work,
    run: &Run,
    sharing: &[ContactId],
    heard: &HashMap<ContactId, Voices>,
) -> Result<Vec<Decided>, SyncError> {
    let Work { store, .. } = work;
    let staged = store.staged_of(run.id, sharing).await?;
    let mut staged: HashMap<ContactId, _> =
        staged.into_iter().map(|staged| (staged.intent.key.clone(), staged.intent)).collect();
    let ledger = store.ledger(&run.integration, sharing).await?;
    let attempted = store.attempted(&run.integration, sharing).await?;
    let outcomes = store.outcomes_of(run.id, sharing).await?;
    let nobody = Voices::default();
    let mut decided = Vec::new();
    for contact in sharing {
        let voices = heard.get(contact).unwrap_or(&nobody);
        let known = Known {
            entry: ledger.get(contact),
            attempted: attempted.get(contact).map_or(&[], Vec::as_slice),
            refused: &voices.refused,
            unheard: unheard(run, voices),
        };
        // What this run made of it; or the last one that did.
        let unwritten = match outcomes.get(contact) {
            Some(found) => found.outcome.zip(found.reason.clone()),
            None => known.entry.and_then(|entry| Some((entry.outcome, entry.reason.clone()?))),
        };
        let unwritten =
            unwritten.filter(|(outcome, _)| matches!(outcome, Outcome::Excluded | Outcome::Rejected));
        let was_staged = staged.remove(contact);
        let is_staged = was_staged.is_some();
        let verdict =
            decide_again(&work.line.rules, run.forced, known, was_staged.as_ref(), unwritten, &voices.own);
        let Some(verdict) = verdict else { continue };
        // Of what is staged, its age is known from its page.
        let modified_at = known.entry.filter(|_| !is_staged).and_then(|entry| entry.modified_at);
        decided.push(Decided { contact: contact.clone(), modified_at, verdict, seen: None });
    }
    Ok(decided)
}
