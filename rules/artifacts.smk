"""Figures, tables and metrics: whatever the study has the data for."""

from tradeoff.artifacts import FIGURES, TABLES, available

DRAWN = available(STUDY.summary(), FIGURES)
SET = available(STUDY.summary(), TABLES)
# Numbers of the trade-off, for a study that attacks something.
METRICS = [f"{STUDY.root}/metrics.json"] if "frontiers" in DRAWN else []


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
                labels={"figure": FIGURES[figure].title},
            ),
            pdf=f"{STUDY.root}/figures/{figure}.pdf",
            data=f"{STUDY.root}/figures/{figure}.csv",
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
            markdown=report(
                f"{STUDY.root}/tables/{table}.md",
                caption=f"../report/{table}.rst",
                category=TABLES[table].category,
                labels={"table": TABLES[table].title},
            ),
            latex=f"{STUDY.root}/tables/{table}.tex",
            data=f"{STUDY.root}/tables/{table}.csv",
        log:
            f"logs/{STUDY.name}/tables/{table}.log",
        params:
            table=table,
            results=subpath(output.markdown, ancestor=2),
            code=fingerprint("write_table", TABLES[table].module),
        shell:
            "python -m workflow_scripts.write_table --table {params.table} --results {params.results:q}"
            " --output {params.results:q}/tables/{params.table} &> {log:q}"


rule write_metrics:
    """The study's numbers in one small file, for people, papers and `dvc metrics`."""
    input:
        rules.gather.output,
        rules.pareto_auc.output,
        rules.study.output,
    output:
        metrics=f"{STUDY.root}/metrics.json",
        curves=f"{STUDY.root}/tables/trajectories.csv",
    log:
        f"logs/{STUDY.name}/write_metrics.log",
    params:
        results=subpath(output.metrics, parent=True),
        code=fingerprint("write_metrics"),
    shell:
        "python -m workflow_scripts.write_metrics --results {params.results:q} &> {log:q}"
