"""From sources to packed arrays: fetched once, decoded once."""

from tradeoff.data.code import fetch_code, pack_code


rule data:
    """Every dataset the study needs, packed."""
    input:
        sorted(
            {
                packed_files(STUDY.packed(dataset, backbone))
                for backbone in config["study"]["backbones"]
                for dataset in STUDY.datasets()
            }
        ),


rule fetch_dataset:
    """Fetch a dataset from the mirror, the hub, a folder or its generator, into one form."""
    output:
        train="data/raw/{dataset}/train.parquet",
        test="data/raw/{dataset}/test.parquet",
        source="data/raw/{dataset}/source.json",
    log:
        "logs/fetch_dataset/{dataset}.log",
    priority: AWAITED
    params:
        definition=lambda wildcards: canonical_json(STUDY.definition(wildcards.dataset)),
        folder=subpath(output.source, parent=True),
        code=lambda wildcards: fetch_code(wildcards.dataset),
    shell:
        "python -m workflow_scripts.fetch_dataset --dataset {wildcards.dataset}"
        " --definition {params.definition:q} --code {params.code} --output {params.folder:q} &> {log:q}"


rule pack_dataset:
    """Decode and resize every image once, into one memory-mapped array."""
    input:
        train=rules.fetch_dataset.output.train,
        test=rules.fetch_dataset.output.test,
        source=rules.fetch_dataset.output.source,
    output:
        images="data/packed/{dataset}@{format}/images.npy",
        index="data/packed/{dataset}@{format}/index.parquet",
        manifest="data/packed/{dataset}@{format}/manifest.json",
    log:
        "logs/pack_dataset/{dataset}@{format}.log",
    priority: AWAITED
    # Neither the processes that decode nor the limit are params: another number has to rerun nothing.
    threads: lambda wildcards: packing_processes(wildcards.dataset)
    resources:
        pack_up_to=config["data"]["pack_up_to"],
    params:
        raw=subpath(input.source, parent=True),
        folder=subpath(output.manifest, parent=True),
        size=lambda wildcards: wildcards.format.split("-")[0],
        resize=lambda wildcards: wildcards.format.split("-")[1],
        interpolation=lambda wildcards: [*wildcards.format.split("-"), "bilinear"][2],
        code=pack_code(),
    shell:
        "python -m workflow_scripts.pack_dataset --raw {params.raw:q} --size {params.size}"
        " --resize {params.resize} --interpolation {params.interpolation} --workers {threads}"
        " --up-to {resources.pack_up_to} --code {params.code} --output {params.folder:q} &> {log:q}"
