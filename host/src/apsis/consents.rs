//! Which consents to write, pure: from what the CRM answers, what APSIS One has, and what we wrote last.
//!
//! Fails closed. Never an opt-in that the CRM did not give; never an opt-in over an opt-out that is
//! newer than the CRM's answer or whose age is unknown; opt-outs come before opt-ins. In doubt whether
//! an opt-in was ours, what the CRM no longer says is opted out.

use jiff::Timestamp;

use super::inferred::{SOURCE, is_ours};
use crate::contact::Channel;
use crate::profile::{Answer, ConsentType, KnownConsent, TopicId, WantedConsent};
use crate::reason::{Reason, ReasonCode};

/// One consent to write.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ConsentStep {
    /// The subscription.
    pub topic: TopicId,
    /// The channel.
    pub channel: Channel,
}

/// What to write for one profile: all opt-outs first, the opt-ins last of all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConsentPlan {
    /// To be opted out.
    pub opt_outs: Vec<ConsentStep>,
    /// To be opted in.
    pub opt_ins: Vec<ConsentStep>,
    /// Opt-ins that the CRM gives and that are not made, with the reason.
    pub withheld: Vec<Reason>,
}

impl ConsentPlan {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.opt_outs.is_empty() && self.opt_ins.is_empty()
    }
}

/// Plans a profile's consents.
///
/// `known`: what APSIS One has; none if there is no profile. `last_written`: the consents of the
/// intent that was last written for this contact.
///
/// An opt-out that we made ourselves (its source says so) because of an earlier answer of the CRM is
/// as old as that answer: it yields to a later one. Any other opt-out yields only to an answer whose
/// date is later than the opt-out's.
///
/// What the CRM says nothing about is opted out if the opt-in is ours or may be: we wrote it last, or its
/// source is us.
pub fn plan(
    wanted: &[WantedConsent],
    known: Option<&[KnownConsent]>,
    last_written: Option<&[WantedConsent]>,
) -> ConsentPlan {
    let mut plan = ConsentPlan::default();
    for want in wanted {
        let last =
            last_written.unwrap_or_default().iter().find(|last| same(last, want)).map(|last| last.answer);
        let state = known_state(known.unwrap_or_default(), want);
        let step = ConsentStep { topic: want.topic.clone(), channel: want.channel };
        match (want.answer, state) {
            (Answer::Given(_), None) => plan.opt_ins.push(step),
            (Answer::Given(at), Some(found)) if found.state == ConsentType::OptOut => {
                if is_newer(at, found, last) {
                    plan.opt_ins.push(step);
                } else {
                    plan.withheld.push(withheld(want));
                }
            }
            // Opted in, confirmed, or asked and not yet confirmed: the last is for the person to end.
            (Answer::Given(_), Some(_)) => {}
            (Answer::Refused(_), Some(found)) if found.state == ConsentType::OptOut => {}
            (Answer::Refused(_), _) => plan.opt_outs.push(step),
            (Answer::Unsaid, Some(found)) => {
                // Its source tells even when the ledger is lost: the integration was deleted and applied again.
                let may_be_ours =
                    matches!(last, Some(Answer::Given(_))) || found.source.as_deref() == Some(SOURCE);
                if found.state != ConsentType::OptOut && may_be_ours {
                    plan.opt_outs.push(step);
                }
            }
            (Answer::Unsaid, None) => {}
        }
    }
    // One topic and channel has one row; should it have two, the refusal holds.
    let ConsentPlan { opt_outs, opt_ins, .. } = &mut plan;
    opt_ins.retain(|step| !opt_outs.contains(step));
    plan
}

fn same(left: &WantedConsent, right: &WantedConsent) -> bool {
    left.topic == right.topic && left.channel == right.channel
}

/// The state for one topic and channel; should there be several, the opt-out holds.
pub fn known_state<'a>(known: &'a [KnownConsent], want: &WantedConsent) -> Option<&'a KnownConsent> {
    let mut states = known.iter().filter(|state| state.topic == want.topic && state.channel == want.channel);
    let first = states.next()?;
    if first.state == ConsentType::OptOut {
        return Some(first);
    }
    Some(states.find(|state| state.state == ConsentType::OptOut).unwrap_or(first))
}

/// Whether the CRM's answer, given `at`, is known to be newer than an opt-out.
fn is_newer(at: Option<Timestamp>, opt_out: &KnownConsent, last: Option<Answer>) -> bool {
    let dated = |than: Option<Timestamp>| matches!((at, than), (Some(at), Some(than)) if at > than);
    if dated(opt_out.modified_at) {
        return true;
    }
    let source = opt_out.source.as_deref();
    match last {
        // Undated then: the answer has changed since we acted on it. Dated then: the dates decide, and an
        // undated yes may be older than the refusal.
        Some(Answer::Refused(before)) => is_ours(source) && (before.is_none() || dated(before)),
        // We opt out what is not said by single calls only, under our own name; an import's opt-out is
        // likely to be somebody else's.
        Some(Answer::Unsaid) => source == Some(SOURCE),
        // We have taken it back since, because of something that has gone: the CRM's answer is as it was. Without any
        // such thing we leave alone what somebody else opted out.
        Some(Answer::Given(_)) => source == Some(SOURCE),
        None => false,
    }
}

fn withheld(want: &WantedConsent) -> Reason {
    Reason::about(
        ReasonCode::OptedOutInApsis,
        want.topic.0.clone(),
        format!(
            "{} by {} is opted out in APSIS One, and the CRM's consent is not known to be newer: not opted in again. Record the consent anew in the CRM, with its date",
            want.topic, want.channel
        ),
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(second: i64) -> Option<Timestamp> {
        Some(Timestamp::from_second(second).unwrap())
    }

    fn want(answer: Answer) -> Vec<WantedConsent> {
        vec![WantedConsent { topic: TopicId("news".into()), channel: Channel::Email, answer }]
    }

    fn known(state: ConsentType, modified_at: Option<Timestamp>, source: Option<&str>) -> Vec<KnownConsent> {
        let source = source.map(str::to_owned);
        vec![KnownConsent {
            topic: TopicId("news".into()),
            channel: Channel::Email,
            state,
            modified_at,
            source,
        }]
    }

    /// (opt-outs, opt-ins, withheld) of a plan.
    fn counts(plan: &ConsentPlan) -> (usize, usize, usize) {
        (plan.opt_outs.len(), plan.opt_ins.len(), plan.withheld.len())
    }

    const NOTHING: (usize, usize, usize) = (0, 0, 0);
    const OPT_OUT: (usize, usize, usize) = (1, 0, 0);
    const OPT_IN: (usize, usize, usize) = (0, 1, 0);
    const WITHHELD: (usize, usize, usize) = (0, 0, 1);

    #[test]
    fn given_opts_in_where_nothing_is_known_and_leaves_what_is_opted_in() {
        let given = want(Answer::Given(at(5)));
        assert_eq!(counts(&plan(&given, None, None)), OPT_IN);
        assert_eq!(counts(&plan(&given, Some(&[]), None)), OPT_IN);
        for state in [ConsentType::OptIn, ConsentType::ConfirmedOptIn, ConsentType::PendingOptIn] {
            assert_eq!(counts(&plan(&given, Some(&known(state, at(1), None)), None)), NOTHING, "{state:?}");
        }
    }

    #[test]
    fn an_opt_out_yields_only_to_a_later_answer() {
        let opted_out = |modified_at| known(ConsentType::OptOut, modified_at, Some("Unsubscribe page"));
        for (given, modified, expected) in [
            (at(5), at(4), OPT_IN),
            (at(5), at(5), WITHHELD),
            (at(5), at(6), WITHHELD),
            (at(5), None, WITHHELD),
            (None, at(4), WITHHELD),
            (None, None, WITHHELD),
        ] {
            let found = plan(&want(Answer::Given(given)), Some(&opted_out(modified)), None);
            assert_eq!(counts(&found), expected, "{given:?} {modified:?}");
        }
    }

    #[test]
    fn an_opt_out_of_our_own_is_as_old_as_the_answer_that_made_it() {
        let ours = known(ConsentType::OptOut, at(100), Some(SOURCE));
        for (given, last, expected) in [
            (None, Answer::Refused(None), OPT_IN),
            (None, Answer::Unsaid, OPT_IN),
            (at(5), Answer::Refused(at(4)), OPT_IN),
            (at(5), Answer::Refused(at(6)), WITHHELD),
            (at(5), Answer::Refused(None), OPT_IN),
            (None, Answer::Refused(at(4)), WITHHELD),
            // Taken back by us because of something that has gone since.
            (None, Answer::Given(None), OPT_IN),
        ] {
            let found = plan(&want(Answer::Given(given)), Some(&ours), Some(&want(last)));
            assert_eq!(counts(&found), expected, "{given:?} {last:?}");
        }
        assert_eq!(counts(&plan(&want(Answer::Given(None)), Some(&ours), None)), WITHHELD);
        let theirs = known(ConsentType::OptOut, at(100), Some("Unsubscribe page"));
        let found = plan(&want(Answer::Given(None)), Some(&theirs), Some(&want(Answer::Refused(None))));
        assert_eq!(counts(&found), WITHHELD);
    }

    #[test]
    fn refused_opts_out_whatever_is_known() {
        let refused = want(Answer::Refused(None));
        assert_eq!(counts(&plan(&refused, None, None)), OPT_OUT);
        for state in [ConsentType::OptIn, ConsentType::ConfirmedOptIn, ConsentType::PendingOptIn] {
            assert_eq!(counts(&plan(&refused, Some(&known(state, at(9), None)), None)), OPT_OUT, "{state:?}");
        }
        let out = known(ConsentType::OptOut, None, None);
        assert_eq!(counts(&plan(&refused, Some(&out), None)), NOTHING);
    }

    #[test]
    fn unsaid_withdraws_only_what_we_had_given() {
        let unsaid = want(Answer::Unsaid);
        for theirs in [None, Some("Signup form"), Some("Import")] {
            let opted_in = known(ConsentType::OptIn, at(1), theirs);
            for (last, expected) in [
                (None, NOTHING),
                (Some(Answer::Unsaid), NOTHING),
                (Some(Answer::Refused(None)), NOTHING),
                (Some(Answer::Given(None)), OPT_OUT),
            ] {
                let last = last.map(want);
                let found = plan(&unsaid, Some(&opted_in), last.as_deref());
                assert_eq!(counts(&found), expected, "{theirs:?} {last:?}");
            }
        }
        assert_eq!(counts(&plan(&unsaid, None, Some(&want(Answer::Given(None))))), NOTHING);
    }

    #[test]
    fn unsaid_withdraws_what_is_opted_in_under_our_name_though_the_ledger_is_lost() {
        let unsaid = want(Answer::Unsaid);
        let ours = known(ConsentType::OptIn, at(1), Some(SOURCE));
        for last in [None, Some(want(Answer::Unsaid))] {
            assert_eq!(counts(&plan(&unsaid, Some(&ours), last.as_deref())), OPT_OUT);
        }
        let out = known(ConsentType::OptOut, at(1), Some(SOURCE));
        assert_eq!(counts(&plan(&unsaid, Some(&out), None)), NOTHING);
    }

    #[test]
    fn an_opt_out_by_our_import_is_ours_where_we_last_wrote_a_refusal() {
        let imported = known(ConsentType::OptOut, at(100), Some("Import"));
        for (given, last, expected) in [
            (None, Some(Answer::Refused(None)), OPT_IN),
            (at(5), Some(Answer::Refused(at(4))), OPT_IN),
            (at(5), Some(Answer::Refused(at(6))), WITHHELD),
            (None, Some(Answer::Unsaid), WITHHELD),
            (None, Some(Answer::Given(None)), WITHHELD),
            (None, None, WITHHELD),
        ] {
            let last = last.map(want);
            let found = plan(&want(Answer::Given(given)), Some(&imported), last.as_deref());
            assert_eq!(counts(&found), expected, "{given:?} {last:?}");
        }
    }

    #[test]
    fn should_one_subscription_be_wanted_both_ways_the_refusal_holds() {
        let both = [want(Answer::Given(None)), want(Answer::Refused(None))].concat();
        assert_eq!(counts(&plan(&both, None, None)), OPT_OUT);
    }

    fn answers() -> impl Strategy<Value = Answer> {
        let moment = prop::option::of((0i64..6).prop_map(|second| Timestamp::from_second(second).unwrap()));
        prop_oneof![
            moment.clone().prop_map(Answer::Given),
            moment.prop_map(Answer::Refused),
            Just(Answer::Unsaid)
        ]
    }

    fn wanted() -> impl Strategy<Value = Vec<WantedConsent>> {
        let one = (0u8..3, any::<bool>(), answers()).prop_map(|(topic, email, answer)| WantedConsent {
            topic: TopicId(format!("topic-{topic}")),
            channel: if email { Channel::Email } else { Channel::Sms },
            answer,
        });
        prop::collection::vec(one, 0..7)
    }

    fn states() -> impl Strategy<Value = Vec<KnownConsent>> {
        let kind = prop::sample::select(vec![
            ConsentType::OptIn,
            ConsentType::OptOut,
            ConsentType::PendingOptIn,
            ConsentType::ConfirmedOptIn,
        ]);
        let sources = prop::sample::select(vec![SOURCE, "Import", "somebody"]);
        let one = (0u8..3, any::<bool>(), kind, prop::option::of(0i64..6), sources).prop_map(
            |(topic, email, state, modified, source)| KnownConsent {
                topic: TopicId(format!("topic-{topic}")),
                channel: if email { Channel::Email } else { Channel::Sms },
                state,
                modified_at: modified.map(|second| Timestamp::from_second(second).unwrap()),
                source: Some(source.to_owned()),
            },
        );
        prop::collection::vec(one, 0..7)
    }

    fn is_for(step: &ConsentStep, topic: &TopicId, channel: Channel) -> bool {
        step.topic == *topic && step.channel == channel
    }

    proptest! {
        #[test]
        fn no_opt_in_without_an_answer_that_gives(
            wanted in wanted(), known in prop::option::of(states()), last in prop::option::of(wanted())
        ) {
            let plan = plan(&wanted, known.as_deref(), last.as_deref());
            for step in &plan.opt_ins {
                let of_step = || wanted.iter().filter(|want| is_for(step, &want.topic, want.channel));
                let is_given = of_step().any(|want| matches!(want.answer, Answer::Given(_)));
                prop_assert!(is_given);
                prop_assert!(!plan.opt_outs.contains(step));
            }
        }

        #[test]
        fn no_opt_in_over_somebody_elses_opt_out_that_is_not_known_to_be_older(
            wanted in wanted(), known in states(), last in prop::option::of(wanted())
        ) {
            let plan = plan(&wanted, Some(&known), last.as_deref());
            for step in &plan.opt_ins {
                let opt_out = known.iter().find(|state| {
                    is_for(step, &state.topic, state.channel) && state.state == ConsentType::OptOut
                });
                let Some(opt_out) = opt_out else { continue };
                if is_ours(opt_out.source.as_deref()) {
                    prop_assert!(opt_out.modified_at.is_some() || last.is_some());
                    continue;
                }
                let newer = wanted.iter().any(|want| match (want.answer, opt_out.modified_at) {
                    (Answer::Given(Some(at)), Some(modified)) => is_for(step, &want.topic, want.channel) && at > modified,
                    _ => false,
                });
                prop_assert!(newer);
            }
        }

        #[test]
        fn a_refusal_always_ends_opted_out(
            wanted in wanted(), known in states(), last in prop::option::of(wanted())
        ) {
            let plan = plan(&wanted, Some(&known), last.as_deref());
            for want in wanted.iter().filter(|want| matches!(want.answer, Answer::Refused(_))) {
                let is_out = known.iter().any(|state| {
                    state.topic == want.topic && state.channel == want.channel && state.state == ConsentType::OptOut
                });
                let planned = plan.opt_outs.iter().any(|step| is_for(step, &want.topic, want.channel));
                prop_assert!(is_out || planned);
            }
        }

        #[test]
        fn what_is_not_said_never_opts_in_and_opts_out_only_what_we_gave(
            known in states(), last in wanted()
        ) {
            let unsaid: Vec<WantedConsent> =
                last.iter().map(|want| WantedConsent { answer: Answer::Unsaid, ..want.clone() }).collect();
            let plan = plan(&unsaid, Some(&known), Some(&last));
            prop_assert!(plan.opt_ins.is_empty());
            for step in &plan.opt_outs {
                let given = last.iter().any(|want| {
                    is_for(step, &want.topic, want.channel) && matches!(want.answer, Answer::Given(_))
                });
                let ours = known.iter().any(|state| {
                    is_for(step, &state.topic, state.channel) && state.source.as_deref() == Some(SOURCE)
                });
                prop_assert!(given || ours);
            }
        }
    }
}
