//! Many phones, one server, every fault, under seeds and under committed plans (`make sim` plays more).

use gridpass_tests::sim::bugs::Planted;
use gridpass_tests::sim::plan::Plan;
use gridpass_tests::sim::run;

/// How many steps a seed is played.
const STEPS: usize = 400;

/// Three seeds in a hurry; `make test` plays about a minute.
#[test]
fn after_every_fault_every_edit_is_somewhere_and_all_show_the_same() {
    let seeds = std::env::var("GRIDPASS_SIM_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(3);
    for seed in 1..=seeds {
        let report = run(&Plan::draw(seed, STEPS), Planted::Nothing).unwrap();
        assert_eq!(report.faults, Vec::<String>::new(), "make sim RUNS=1 SEED={seed} STEPS={STEPS}");
        assert!(report.edits > 100, "{} edits are too few to say anything", report.edits);
    }
}

#[test]
fn one_seed_is_one_run() {
    let plan = Plan::draw(3, 120);
    assert_eq!(run(&plan, Planted::Nothing).unwrap(), run(&plan, Planted::Nothing).unwrap());
}

#[test]
fn every_committed_plan_holds() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/sim/plans");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty());
    for file in files {
        let plan: Plan = std::fs::read_to_string(&file).unwrap().parse().unwrap();
        assert_eq!(run(&plan, Planted::Nothing).unwrap().faults, Vec::<String>::new(), "{}", file.display());
    }
}

/// The plans are what `make sim-selfcheck KEEP=tests/sim/planted` found under seeds and made smaller.
#[test]
fn planted_bugs_are_noticed() {
    for planted in Planted::ALL.into_iter().filter(|planted| planted.is_possible()) {
        let file = format!("{}/sim/planted/{planted:?}.plan", env!("CARGO_MANIFEST_DIR"));
        let plan: Plan = std::fs::read_to_string(file).unwrap().parse().unwrap();
        // A run that breaks off has noticed too.
        let is_noticed = run(&plan, planted).map_or(true, |report| !report.faults.is_empty());
        assert!(is_noticed, "{planted:?}");
        assert_eq!(run(&plan, Planted::Nothing).unwrap().faults, Vec::<String>::new(), "{planted:?} without it");
    }
}
