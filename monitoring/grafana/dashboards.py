#!/usr/bin/env python3
"""Builds the dashboards: dashboards.py [FOLDER] writes training.json, performance.json and health.json.

The files are committed, so that Grafana needs no Python; a test builds them again and compares. launch/setup --tests
installs the builder, Grafana's own foundation SDK."""
import argparse
import pathlib
import sys

here = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(here.parents[1] / ".deps/python"))
try:
    from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, timeseries
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.models.common import (BigValueGraphMode, LegendDisplayMode, LegendPlacement, StackingMode,
                                                      TooltipDisplayMode)
    from grafana_foundation_sdk.models.dashboard import (DashboardCursorSync, DashboardLinkType, DataSourceRef, Threshold,
                                                         ThresholdsMode, VariableOption, VariableRefresh, VariableSort)
except ImportError as error:
    sys.exit(f"dashboards.py: {error}; launch/setup --tests installs grafana-foundation-sdk")

SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
RUNS = 'run=~"$run"'
RANKS = 'run=~"$run", rank=~"$rank"'
FULL, HALF, THIRD, QUARTER = 24, 12, 8, 6  # widths, of a grid of 24
NATS = "suffix: nats"


def with_queries(panel, title, description, unit, width, height, queries):
    """What all panels have. `queries`: from the text of a legend to an expression."""
    panel.title(title).description(description).unit(unit).datasource(SOURCE).span(width).height(height)
    for letter, (legend, expression) in zip("ABCDEFGH", queries.items(), strict=False):
        panel.with_target(prometheus.Dataquery().expr(expression).legend_format(legend).ref_id(letter).datasource(SOURCE))
    return panel


def curve(title, description, unit, queries, width=HALF, least=None, stacked=False):
    panel = with_queries(timeseries.Panel(), title, description, unit, width, 8, queries)
    panel.legend(common.VizLegendOptions().show_legend(True).display_mode(LegendDisplayMode.LIST)
                 .placement(LegendPlacement.BOTTOM))
    panel.tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI))
    panel.line_width(1).fill_opacity(40 if stacked else 5)
    if least is not None:
        panel.min(least)
    if stacked:
        panel.stacking(common.StackingConfig().mode(StackingMode.NORMAL))
    return panel


def number(title, description, unit, queries, width=QUARTER, red_from=None):
    panel = with_queries(stat.Panel(), title, description, unit, width, 4, queries)
    panel.graph_mode(BigValueGraphMode.NONE).reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    steps = [Threshold(color="green", value=None)]
    if red_from is not None:
        steps.append(Threshold(color="red", value=red_from))
    return panel.thresholds(dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps))


def variable(name, label, query, order):
    return (dashboard.QueryVariable(name).label(label).query(query).datasource(SOURCE).multi(True).include_all(True)
            .current(VariableOption(selected=True, text="All", value="$__all"))
            .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED).sort(order))


def build(name, description, rows):
    board = (dashboard.Dashboard(f"Elbow: {name}").uid(f"elbow-{name}").description(description).tags(["elbow"])
             .refresh("10s").time("now-1h", "now").timezone("browser").editable().tooltip(DashboardCursorSync.CROSSHAIR)
             .with_variable(dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
             .with_variable(variable("run", "Run", 'label_values({__name__=~"elbow_step|elbow_result_finished"}, run)',
                                     VariableSort.ALPHABETICAL_ASC))
             .with_variable(variable("rank", "Rank", 'label_values(elbow_step{run=~"$run"}, rank)',
                                     VariableSort.NUMERICAL_ASC))
             .link(dashboard.DashboardLink("Elbow").type(DashboardLinkType.DASHBOARDS).tags(["elbow"])
                   .include_vars(True).keep_time(True)))
    for title, panels in rows.items():
        board.with_row(dashboard.Row(title))
        for panel in panels:
            board.with_panel(panel)
    built = board.build()
    for identity, panel in enumerate(built.panels, start=1):
        panel.id_val = identity
    return built


def training():
    by_run = "{{run}}"
    return build("training", "What the runs learn: the ELBO and its terms, validation, rate, and final results.", {
        "Evidence lower bound": [
            curve("ELBO, training", "Mean a sample over the last step's batch; noisy, rising while the model learns. The "
                  "same on every rank.", NATS, {by_run: f"max by (run) (elbow_elbo_nats{{{RANKS}}})"}),
            curve("ELBO, validation", "Mean a sample over the validation data. Falling while the training's rises: "
                  "overfitting.", NATS, {by_run: f"max by (run) (elbow_validation_elbo_nats{{{RANKS}}})"}),
            curve("Reconstruction", "E_q log p(x given z), mean a sample over the last step's batch.", NATS,
                  {by_run: f'max by (run) (elbow_term_nats{{{RANKS}, term="reconstruction"}})'}),
            curve("KL", "KL(q(z given x), p(z)), mean a sample over the last step's batch. Near 0: the code says nothing "
                  "(posterior collapse).", NATS, {by_run: f'max by (run) (elbow_term_nats{{{RANKS}, term="kl"}})'}, least=0),
        ],
        "Optimiser": [
            curve("Gradient norm", "Of the last step's mean gradient, before clipping. Spikes go before a loss that is not "
                  "finite.", "none", {by_run: f"max by (run) (elbow_gradient_norm{{{RANKS}}})"}, least=0),
            curve("Learning rate", "Of the last step, after warm-up and schedule.", "sci",
                  {by_run: f"max by (run) (elbow_learning_rate{{{RANKS}}})"}, least=0),
        ],
        "Progress": [
            number("Done", "Share of the steps of the whole run.", "percentunit",
                   {by_run: f"max by (run) (elbow_step{{{RUNS}}} / elbow_planned_steps)"}, width=THIRD),
            number("Time left", "At the pace of the last minute, validations and checkpoints included.", "s",
                   {by_run: f"max by (run) (elbow_planned_steps{{{RUNS}}} - elbow_step) / run:elbow_steps:rate1m"}, width=THIRD),
            number("Epochs", "Completed since the beginning of the run.", "none",
                   {by_run: f"max by (run) (elbow_epoch{{{RANKS}}})"}, width=THIRD),
            number("Steps", "Done since the beginning of the run.", "locale",
                   {by_run: f"max by (run) (elbow_step{{{RANKS}}})"}, width=THIRD),
            number("Samples", "Seen by the whole job since this process started.", "locale",
                   {by_run: f"max by (run) (elbow_samples_total{{{RANKS}}})"}, width=THIRD),
            number("Left out", "Steps without an update since this process started: not finite, or a spike.", "none",
                   {by_run: f"max by (run) (elbow_skipped_steps_total{{{RANKS}}})"}, width=THIRD, red_from=1),
        ],
        "Final results, of runs pushed to a gateway by monitoring/push": [
            number("log p(x)", "Importance-sampled estimate of elbow evaluate, mean a sample.", NATS,
                   {"{{run}} {{evaluation}}": f'elbow_result_nats{{{RUNS}, figure="log_likelihood"}}'}),
            number("ELBO", "Of elbow evaluate, mean a sample.", NATS,
                   {"{{run}} {{evaluation}}": f'elbow_result_nats{{{RUNS}, figure="elbo"}}'}),
            number("Best validation", "ELBO of the best validation during training, mean a sample.", NATS,
                   {by_run: f"elbow_result_validation_elbo_nats{{{RUNS}}}"}),
            number("How it ended", "1 for each run; its state and reason are the labels.", "none",
                   {"{{run}}: {{state}}": f"elbow_result_info{{{RUNS}}}"}),
        ],
    })


def performance():
    by_rank = "{{run}} rank {{rank}}"
    return build("performance", "How fast the job is, and what the ranks' time goes into.", {
        "Throughput": [
            curve("Samples a second", "Of the whole job, mean over a minute.", "suffix: samples/s",
                  {"{{run}}": f"run:elbow_samples:rate1m{{{RUNS}}}"}, least=0),
            curve("Steps a second", "Of the whole job, mean over a minute.", "suffix: steps/s",
                  {"{{run}}": f"run:elbow_steps:rate1m{{{RUNS}}}"}, least=0),
        ],
        "Where the time goes": [
            curve("Time of a step, by phase", "Mean over the ranks chosen. A tall sum: ranks wait for each other or the "
                  "network; tall data: the disk is slow.", "s",
                  {"{{run}} {{phase}}": f"avg by (run, phase) (rate(elbow_phase_seconds_total{{{RANKS}}}[$__rate_interval])) "
                   "/ on (run) group_left () run:elbow_steps:rate1m"}, width=FULL, least=0, stacked=True),
            curve("Waiting for data", "Share of its time in which a rank waits for samples to be read.", "percentunit",
                  {by_rank: f"run_rank:elbow_data_wait:ratio1m{{{RANKS}}}"}, least=0),
            curve("Waiting for other ranks", "Share of its time that a rank spends in the sum of gradients: waiting for "
                  "slower ranks, then for the network. The slow rank is the one that waits least.", "percentunit",
                  {by_rank: f"run_rank:elbow_communication_wait:ratio1m{{{RANKS}}}"}, least=0),
        ],
        "Ranks": [
            curve("Slowness of each rank", "Its own part of a step (reading, forward, backward, optimiser) over the mean of "
                  "the other ranks'. 1: like the others; above 1.5 for 5 minutes it is reported as a straggler. Needs two "
                  "ranks.", "none", {by_rank: f"run_rank:elbow_slowness:ratio1m{{{RANKS}}}"}, least=0),
            curve("Waited for", "How long all other ranks have been waiting for one, in a single operation, as the watchdog "
                  "of rank 0 sees it; 0 in a sound run.", "s",
                  {"{{run}} rank {{straggler}}": f"max by (run, straggler) (elbow_straggler_seconds{{{RUNS}}}) "
                   "or on () vector(0)"}, least=0),
            curve("Batches read ahead", "That wait in each rank's queue. 0: computing waits for reading.", "none",
                  {by_rank: f"elbow_queue_batches{{{RANKS}}}"}, width=FULL, least=0),
            number("Slowest rank", "How many times as long as the others the slowest rank takes, and which it is.",
                   "suffix:×", {by_rank: f"run:elbow_slowest_rank:ratio1m{{{RUNS}}}"}, width=THIRD, red_from=1.5),
            number("Waiting for data, all ranks", "Mean over the ranks.", "percentunit",
                   {"{{run}}": f"run:elbow_data_wait:ratio1m{{{RUNS}}}"}, width=THIRD, red_from=0.3),
            number("Waiting for other ranks, all ranks", "Mean over the ranks.", "percentunit",
                   {"{{run}}": f"run:elbow_communication_wait:ratio1m{{{RUNS}}}"}, width=THIRD),
        ],
    })


def health():
    by_rank = "{{run}} rank {{rank}}"
    return build("health", "Whether the runs live, are safe, and what alerts say.", {
        "Alerts": [
            number("Firing", "Alerts of Elbow's rules that fire now. The text of each, with what to do, is on Prometheus' "
                   "page of alerts.", "none",
                   {"alerts": f'count(ALERTS{{alertname=~"Elbow.*", alertstate="firing", {RUNS}}}) or vector(0)'},
                   red_from=1),
            number("Missing ranks", "Ranks of the job that do not answer, or are not listed.", "none",
                   {"{{run}}": f"run:elbow_missing_ranks:count{{{RUNS}}}"}, red_from=1),
            number("Oldest checkpoint", "Time since the last checkpoint was written: what a failure now would cost.", "s",
                   {"{{run}}": f"max by (run) (elbow_checkpoint_age_seconds{{{RUNS}}})"}, red_from=1800),
            number("Failed checkpoints", "That could not be written, since this process started.", "none",
                   {"{{run}}": f"max by (run) (elbow_checkpoint_failures_total{{{RUNS}}})"}, red_from=1),
            curve("Which alerts, and when", "1 while the alert fires.", "none",
                  {"{{alertname}} {{run}} {{rank}}":
                   f'sum by (alertname, run, rank) (ALERTS{{alertname=~"Elbow.*", alertstate="firing", {RUNS}}}) '
                   "or on () vector(0)"}, width=FULL, least=0),
        ],
        "Life": [
            curve("Ranks that answer", "To Prometheus, beside those that the job has.", "none",
                  {"{{run}}, answering": f'count by (run) (up{{job="elbow", {RUNS}}} == 1)',
                   "{{run}}, in the job": f"max by (run) (elbow_world_size{{{RUNS}}})"}, least=0),
            curve("Steps a second, by rank", "As each rank counts the job's steps: a hang is 0 on every rank that answers; "
                  "validations make gaps.", "suffix: steps/s",
                  {by_rank: f"sum by (run, rank) (rate(elbow_steps_total{{{RANKS}}}[$__rate_interval]))"}, least=0),
            curve("Time to answer Prometheus", "Of each rank's metrics. A rank that is stopped or swaps does not answer.",
                  "s", {"{{run}} {{instance}}": f'scrape_duration_seconds{{job="elbow", {RUNS}}}'}, least=0),
            curve("Not finite, left out", "Steps and samples without an update, since this process started.", "none",
                  {"{{run}} steps": f"max by (run) (elbow_skipped_steps_total{{{RANKS}}})",
                   "{{run}} samples": f"max by (run) (elbow_skipped_samples_total{{{RANKS}}})"}, least=0),
        ],
        "Checkpoints": [
            curve("Age of the last checkpoint", "A saw whose teeth are as high as checkpoint.every; one that only climbs: "
                  "saving fails or the disk is slow.", "s",
                  {"{{run}}": f"max by (run) (elbow_checkpoint_age_seconds{{{RANKS}}})"}, least=0),
            curve("Size of the last checkpoint", "On disk, all its files.", "bytes",
                  {"{{run}}": f"max by (run) (elbow_checkpoint_size_bytes{{{RANKS}}})"}, least=0),
        ],
        "What runs": [
            number("Runs", "Model, objective and sum of gradients are the labels.", "none",
                   {"{{run}}: {{model}}, {{objective}}, {{sum}} sums": f"max by (run, model, objective, sum) "
                    f"(elbow_run_info{{{RUNS}}})"}, width=HALF),
            number("Programs", "Versions that serve metrics; several in one job should not be.", "none",
                   {"{{run}}: elbow {{elbow}}": f"count by (run, elbow) (elbow_build_info{{{RUNS}}})"}, width=HALF),
        ],
    })


def main():
    parser = argparse.ArgumentParser(description="Writes training.json, performance.json and health.json.")
    parser.add_argument("folder", nargs="?", type=pathlib.Path, default=here / "dashboards", help="where to [beside this]")
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    encoder = JSONEncoder(sort_keys=True, indent=1, ensure_ascii=False)
    for name, make in (("training", training), ("performance", performance), ("health", health)):
        (folder / f"{name}.json").write_text(encoder.encode(make()) + "\n")


main()
