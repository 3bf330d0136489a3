"""Figures, tables, metrics and the paper: whatever the study has the data for."""

from pathlib import Path

from tradeoff.artifacts import FIGURES, TABLES, available, unavailable

SUMMARY = STUDY.summary()
DRAWN = available(SUMMARY, FIGURES)
SET = available(SUMMARY, TABLES)
# Numbers of the trade-off, for a study that attacks something.
METRICS = (
    [f"{STUDY.root}/metrics.json", f"{STUDY.root}/numbers.tex"]
    if "frontiers" in DRAWN
    else []
)
# The paper's text.
PAPER = sorted(str(path) for path in Path("docs/paper").rglob("*.*"))


rule figures:
    """Every figure that the study can support."""
    input:
        expand(f"{STUDY.root}/figures/{{figure}}.png", figure=DRAWN),


rule tables:
    """Every table that the study can support."""
    input:
        expand(f"{STUDY.root}/tables/{{table}}.md", table=SET),


for figure in DRAWN:

    rule:
        name:
            f"figure_{figure}"
        input:
            study=rules.study.output,
            data=[f"{STUDY.root}/{file}" for file in FIGURES[figure].reads],
        output:
            png=report(
                f"{STUDY.root}/figures/{figure}.png",
                caption=f"../report/{figure}.rst",
                category=FIGURES[figure].category,
                labels={"title": FIGURES[figure].title, "kind": "figure"},
            ),
            pdf=f"{STUDY.root}/figures/{figure}.pdf",
            data=f"{STUDY.root}/figures/{figure}.csv",
            record=f"{STUDY.root}/figures/{figure}.record.json",
        log:
            f"logs/{STUDY.name}/figures/{figure}.log",
        params:
            figure=figure,
            results=subpath(output.png, ancestor=2),
            code=fingerprint("draw_figure", FIGURES[figure].module),
        shell:
            "python -m workflow_scripts.draw_figure --figure {params.figure} --results {params.results:q}"
            " --output {params.results:q}/figures/{params.figure} &> {log:q}"


for table in SET:

    rule:
        name:
            f"table_{table}"
        input:
            study=rules.study.output,
            data=[f"{STUDY.root}/{file}" for file in TABLES[table].reads],
        output:
            page=report(
                f"{STUDY.root}/tables/{table}.html",
                caption=f"../report/{table}.rst",
                category=TABLES[table].category,
                labels={"title": TABLES[table].title, "kind": "table"},
            ),
            markdown=f"{STUDY.root}/tables/{table}.md",
            latex=f"{STUDY.root}/tables/{table}.tex",
            data=f"{STUDY.root}/tables/{table}.csv",
            record=f"{STUDY.root}/tables/{table}.record.json",
        log:
            f"logs/{STUDY.name}/tables/{table}.log",
        params:
            table=table,
            results=subpath(output.markdown, ancestor=2),
            code=fingerprint("write_table", TABLES[table].module),
        shell:
            "python -m workflow_scripts.write_table --table {params.table} --results {params.results:q}"
            " --output {params.results:q}/tables/{params.table} &> {log:q}"


# Whoever asks for what the study cannot support is told what it takes, before anything runs.
for kind, registry, endings in (
    ("figure", FIGURES, ("png", "pdf", "csv", "record.json")),
    ("table", TABLES, ("html", "md", "tex", "csv", "record.json")),
):
    for artifact, how in unavailable(SUMMARY, registry).items():

        rule:
            name:
                f"{kind}_{artifact}"
            input:
                refusal(kind, artifact, how),
            output:
                [f"{STUDY.root}/{kind}s/{artifact}.{ending}" for ending in endings],


rule write_metrics:
    """The study's numbers in one small file, for people, papers and `dvc metrics`."""
    input:
        rules.gather.output,
        rules.pareto_auc.output,
        rules.study.output,
    output:
        metrics=f"{STUDY.root}/metrics.json",
        curves=f"{STUDY.root}/tables/trajectories.csv",
        record=f"{STUDY.root}/metrics.record.json",
    log:
        f"logs/{STUDY.name}/write_metrics.log",
    params:
        results=subpath(output.metrics, parent=True),
        code=fingerprint("write_metrics"),
    shell:
        "python -m workflow_scripts.write_metrics --results {params.results:q} &> {log:q}"


rule write_numbers:
    """The numbers that texts quote, by name: for LaTeX, and as JSON."""
    input:
        rules.gather.output,
        rules.pareto_auc.output,
        rules.study.output,
    output:
        latex=f"{STUDY.root}/numbers.tex",
        values=f"{STUDY.root}/numbers.json",
        record=f"{STUDY.root}/numbers.record.json",
    log:
        f"logs/{STUDY.name}/write_numbers.log",
    params:
        results=subpath(output.latex, parent=True),
        code=fingerprint("write_numbers"),
    shell:
        "python -m workflow_scripts.write_numbers --results {params.results:q} &> {log:q}"


rule write_provenance:
    """From each figure and table back to the data, by hashes, with the commands that make them again."""
    input:
        rules.study.output,
        rules.gather.output.record,
        rules.pareto_auc.output.record if METRICS else [],
        rules.gather_tasks.output.record if STUDY.tasks else [],
        rules.write_metrics.output.record if METRICS else [],
        rules.write_numbers.output.record if METRICS else [],
        expand(f"{STUDY.root}/figures/{{figure}}.record.json", figure=DRAWN),
        expand(f"{STUDY.root}/tables/{{table}}.record.json", table=SET),
        expand(
            f"{STUDY.root}/runs/{{run}}/{{file}}",
            run=STUDY.runs,
            file=["run.json", "cost.json"],
        ),
        [
            f"{STUDY.root}/probes/{run.name}/{probe}.{file}.json"
            for run in STUDY.runs.values()
            for probe in STUDY.probes_of(run)
            for file in ("record", "cost")
        ],
    output:
        record=f"{STUDY.root}/provenance.json",
        page=f"{STUDY.root}/provenance.md",
    log:
        f"logs/{STUDY.name}/write_provenance.log",
    params:
        results=subpath(output.record, parent=True),
        code=fingerprint("write_provenance"),
    shell:
        "python -m workflow_scripts.write_provenance --results {params.results:q} &> {log:q}"


rule write_explorer:
    """One HTML file to explore the study with; it opens offline."""
    input:
        rules.gather.output,
        rules.pareto_auc.output if METRICS else [],
        rules.study.output,
        expand(
            f"{STUDY.root}/figures/{{figure}}.{{kind}}",
            figure=DRAWN,
            kind=["png", "record.json"],
        ),
        expand(f"{STUDY.root}/tables/{{table}}.record.json", table=SET),
        expand(
            f"{STUDY.root}/runs/{{run}}/{{file}}",
            run=STUDY.runs,
            file=["run.json", "cost.json"],
        ),
        [
            f"{STUDY.root}/probes/{run.name}/{probe}.cost.json"
            for run in STUDY.runs.values()
            for probe in STUDY.probes_of(run)
        ],
        [f"src/tradeoff/report/{part}" for part in ("page.html", "page.css", "page.js")],
        expand("report/{name}.rst", name=[*DRAWN, *SET]),
    output:
        page=f"{STUDY.root}/explorer.html",
        record=f"{STUDY.root}/explorer.record.json",
    log:
        f"logs/{STUDY.name}/write_explorer.log",
    params:
        results=subpath(output[0], parent=True),
        code=fingerprint("write_explorer", *[TABLES[table].module for table in SET]),
    shell:
        "python -m workflow_scripts.write_explorer --results {params.results:q} &> {log:q}"


rule write_paper:
    """The text in docs/paper with the study's figures, tables and numbers, where LaTeX is installed."""
    input:
        rules.study.output,
        expand(
            f"{STUDY.root}/figures/{{figure}}.{{kind}}",
            figure=DRAWN,
            kind=["pdf", "record.json"],
        ),
        expand(
            f"{STUDY.root}/tables/{{table}}.{{kind}}",
            table=SET,
            kind=["tex", "record.json"],
        ),
        [*METRICS, rules.write_numbers.output.record] if METRICS else [],
        PAPER,
    output:
        pdf=f"{STUDY.root}/paper.pdf",
        record=f"{STUDY.root}/paper.record.json",
    log:
        f"logs/{STUDY.name}/write_paper.log",
    params:
        results=subpath(output[0], parent=True),
        code=fingerprint("write_paper"),
    shell:
        "python -m workflow_scripts.write_paper --results {params.results:q} --sources docs/paper"
        " --output {output.pdf:q} &> {log:q}"
