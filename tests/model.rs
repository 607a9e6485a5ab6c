//! Random histories of the cache and of the engine against naive models, with the whole structure checked after
//! every step. One body, every policy and configuration. The same bodies run under the fuzzer.

mod common;

use common::{
    builder_model, engine_model, key_model, loads_model, model, policy_model, threads_model, time_model,
    watchdog,
};
use proptest::collection::vec;
use proptest::prelude::*;
use tollgate::policy::PolicyKind;

fn config() -> ProptestConfig {
    ProptestConfig { cases: 96, failure_persistence: None, max_shrink_iters: 3000, ..Default::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_cache_holds_exactly_what_the_model_says(
        config: model::RawConfig,
        steps in vec(any::<model::RawStep>(), 1..250),
    ) {
        model::play(config, &steps);
    }

    #[test]
    fn an_engine_admits_what_it_says_and_nothing_else(
        config: [u8; 4],
        events in vec(any::<engine_model::RawEvent>(), 1..300),
    ) {
        engine_model::play(config, &events);
    }

    #[test]
    fn a_policy_agrees_with_the_model_whatever_the_stream(
        config: [u8; 5],
        phases in vec(any::<policy_model::RawPhase>(), 1..60),
    ) {
        policy_model::play(config, &phases);
    }

    #[test]
    fn no_two_keys_answer_for_each_other(
        seed: u8,
        writes in vec(any::<key_model::RawWrite>(), 0..8),
        edits in vec(any::<(u8, u8, u8)>(), 1..4),
    ) {
        key_model::play(seed, writes, &edits);
    }

    #[test]
    fn entries_live_as_long_as_they_were_given(
        flags: u8,
        steps in vec(any::<time_model::RawStep>(), 1..80),
    ) {
        time_model::play(flags, &steps);
    }

    #[test]
    fn options_are_refused_or_work(options: builder_model::RawOptions) {
        builder_model::play(options);
    }

    #[test]
    fn threads_leave_every_value_accounted_for(
        config: [u8; 4],
        steps in vec(any::<threads_model::RawStep>(), 1..200),
    ) {
        watchdog(move || threads_model::play(config, &steps));
    }

    #[test]
    fn loads_on_threads_answer_nothing_that_is_over(
        config: [u8; 4],
        steps in vec(any::<loads_model::RawStep>(), 1..200),
    ) {
        watchdog(move || loads_model::play(config, &steps));
    }
}

/// Random bytes may never choose some pair of options; this walks over all of them.
#[test]
fn every_policy_with_every_option_agrees_with_the_model() {
    let mut numbers = common::Numbers::new(2);
    for policy in 0..PolicyKind::ALL.len() as u8 {
        for slack in 0..5 {
            for flags in (0..32).step_by(1 + policy as usize % 3) {
                let mut random = || numbers.next() as u8;
                let config = [policy, random(), slack, random(), random(), flags, random(), 0];
                let steps: Vec<_> = (0..40)
                    .map(|_| (numbers.next() as u8, numbers.next() as u8, numbers.next() as u16))
                    .collect();
                model::play(config, &steps);
            }
        }
    }
}
