//! What every store must do, shown on real database files.
//!
//! `suite` and `outcomes` hold the tests, written against the trait; this file runs each of them on each backend,
//! on an empty database. What only one backend can show is in its own module.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod access;
mod addresses;
mod attempts;
mod audits;
mod components;
mod crash;
mod needs;
mod outcomes;
mod postgres;
mod queue;
mod random;
mod sample;
mod secrets;
mod sqlite;
mod story;
mod suite;

use sluice::store::{PostgresStore, SqliteStore};
use sluice_tests::postgres::database;

macro_rules! on_both {
    ($($suite:ident: $($test:ident),* $(,)?;)*) => {
        mod on_sqlite {
            $($(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    let folder = tempfile::tempdir().unwrap();
                    let store = super::SqliteStore::open(&folder.path().join("sluice.db")).unwrap();
                    super::$suite::$test(&store).await;
                }
            )*)*
        }

        mod on_postgres {
            $($(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    let store = super::PostgresStore::open(&super::database().url).await.unwrap();
                    super::$suite::$test(&store).await;
                }
            )*)*
        }
    };
}

on_both!(
    access:
    tokens_are_kept_used_and_revoked,
    the_journal_has_what_was_begun_and_how_it_ended,
    an_answer_is_given_again_for_a_day,
    an_integration_is_changed_only_as_it_was_seen;
    attempts:
    an_interrupted_write_is_remembered_until_the_next_one,
    what_was_refused_may_have_been_written_in_part,
    attempts_outlive_the_details_of_their_run,
    imports_that_a_run_left_are_found,
    an_integration_stays_as_it_is_while_a_run_is_active;
    suite:
    integrations_are_put_replaced_listed_and_deleted,
    an_integration_applied_again_inherits_nothing,
    one_run_at_a_time,
    a_page_is_outcomes_stage_cursor_and_counters,
    a_contact_read_twice_counts_once,
    reading_starts_anew,
    reading_to_the_end_is_remembered,
    staged_contacts_come_in_order_and_bounds,
    what_was_found_is_remembered_once,
    the_rest_is_absent_but_not_what_is_staged_later;
    outcomes:
    settling_moves_from_stage_to_ledger,
    the_ledger_keeps_what_was_written,
    a_run_that_does_not_add_up_fails,
    a_completed_run_is_as_it_ended,
    a_cancelled_run_shows_who_has_no_outcome,
    a_failed_run_says_why,
    an_ended_run_takes_no_more_steps,
    cancelling_is_asked_for,
    batches_are_kept_by_number,
    results_are_paged_and_filtered,
    reasons_are_counted,
    discards_come_in_order,
    only_ten_runs_keep_their_details,
    unknown_runs_are_errors,
    many_writers_at_once;
    queue:
    deliveries_are_numbered_as_they_come_and_known_by_their_ids,
    contacts_are_taken_in_the_order_of_their_oldest_change,
    each_delivery_ends_once_with_its_changes,
    what_failed_comes_again_later_and_is_given_up_in_the_end,
    what_failed_keeps_nobody_waiting,
    dead_letters_are_replayed_by_one_by_cause_and_all,
    an_integration_goes_only_while_it_is_to_go,
    the_gate_is_closed_by_a_run,
    whoever_was_replaced_writes_nothing_more,
    a_lease_is_one_hosts_until_it_ends,
    what_has_ended_is_forgotten_in_its_time,
    requests_that_were_turned_away_are_counted,
    a_full_sync_makes_good_what_was_missed;
    addresses:
    what_one_refuses_counts_for_all_who_have_the_address,
    who_was_not_asked_is_not_known_not_to_refuse,
    a_refusal_stays_when_whoever_made_it_is_forgotten,
    what_a_person_opted_out_of_is_kept_of_a_deleted_profile;
    needs:
    b01_b15_a_new_integration_needs_a_full_sync_until_one_has_completed,
    b09_changed_mappings_are_remembered_with_the_rows_until_a_full_sync,
    another_account_needs_a_forced_full_sync,
    a_full_sync_that_ends_half_way_needs_another,
    b14_what_comes_up_during_a_full_sync_is_not_cleared_by_it,
    a_gap_in_what_the_crm_sends_needs_a_full_sync;
    audits:
    a_sample_is_taken_evenly_of_what_was_written,
    who_is_being_written_or_waits_is_open,
    a_doubted_contact_is_not_taken_for_done_until_it_is_written;
    components:
    a_component_says_who_uses_it_and_goes_when_nobody_does,
    a_component_that_an_active_run_tries_stays,
    a_switch_is_made_as_the_integration_was_seen_and_remembers_the_way_back,
    a_switch_during_a_run_leaves_a_need_that_the_run_does_not_clear,
    a_sample_is_even_over_all_that_are_known;
    secrets:
    a_secret_is_kept_replaced_and_taken_away,
    secrets_go_with_their_integration,
    an_integration_is_put_with_its_secrets_or_not_at_all,
    only_what_is_as_it_was_gets_another_seal,
    a_changed_secret_wakes_its_integration;
    story:
    what_a_contact_looked_like_is_kept_until_it_is_seen_anew,
    what_was_done_is_told_the_newest_first_and_outlives_its_change,
    nothing_stays_of_a_contact_that_was_forgotten_but_its_mark,
    who_was_forgotten_is_kept_out_until_let_in_again;
);
