"""The check before a run: one line for a study that is fine, one for one that is not."""

import os
from pathlib import Path

import pytest

from tradeoff.errors import UserError
from workflow_scripts import check_study, mirror

ROOT = Path(__file__).parents[1]


def test_the_default_study_is_fine(capsys):
    check_study.main(["--name", "quickstart", str(ROOT / "params.yaml")])
    assert capsys.readouterr().out.startswith("quickstart: 7 runs on digits, glyphs, typeset_digits")


def test_a_study_called_otherwise_than_its_file_is_refused(tmp_path):
    overlay = tmp_path / "mine.yaml"
    overlay.write_text("study: {name: yours}\n")
    with pytest.raises(UserError, match=r"mine\.yaml: study\.name: found 'yours'; expected 'mine'"):
        check_study.main(["--name", "mine", str(ROOT / "params.yaml"), str(overlay)])


def test_a_results_folder_that_cannot_be_written_is_named(monkeypatch, tmp_path):
    (tmp_path / "results").mkdir()
    monkeypatch.chdir(tmp_path)
    # The root user may write anywhere, so the system's answer is played, not provoked.
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != "results")
    with pytest.raises(UserError, match=r"results/quickstart: found no permission to write in .*results"):
        check_study.main([str(ROOT / "params.yaml")])


def test_a_run_needs_a_pinned_source_for_everything_and_a_plan_does_not(monkeypatch, tmp_path, capsys):
    monkeypatch.delenv("TRADEOFF_MIRROR", raising=False)
    overlay = tmp_path / "mine.yaml"
    spec = "model: resnet50, arguments: {}, image_size: 32, resize: squash, mean: [0, 0, 0], std: [1, 1, 1]"
    overlay.write_text(
        "study: {name: mine, datasets: [pacs, tiny_imagenet32, cars], backbones: [b], strategies: [full]}\n"
        f"backbones: {{b: {{{spec}, weights: {{hub: a/b, revision: null}}}}}}\n"
    )
    files = [str(ROOT / "params.yaml"), str(overlay)]
    check_study.main(files)
    with pytest.raises(UserError, match=r"no place to download pacs from; no place .* tiny_imagenet32 from;"):
        check_study.main(["--to-run", *files])
    overlay.write_text(overlay.read_text().replace("pacs, tiny_imagenet32, cars", "cars"))
    with pytest.raises(
        UserError, match=r"backbones\.b\.weights\.revision: found none; expected .*commit .* of a/b"
    ):
        check_study.main(["--to-run", *files])


def test_every_revision_that_the_iclr_study_lacks_is_named_at_once_with_its_file_and_where_to_find_it(
    monkeypatch, tmp_path
):
    monkeypatch.delenv("TRADEOFF_MIRROR", raising=False)
    files = [str(ROOT / "params.yaml"), str(ROOT / "studies/iclr2026.yaml")]
    check_study.main(files)
    with pytest.raises(UserError) as refusal:
        check_study.main(["--to-run", *files])
    line = str(refusal.value)
    for backbone in ("convnext_b", "clip_vit_b16", "clip_convnext_b"):
        assert f"backbones.{backbone}.weights.revision" in line
    assert "timm/convnext_base.fb_in22k_ft_in1k" in line
    assert "state it in studies/iclr2026.yaml; https://huggingface.co/<repository>/commits/main" in line
    assert "swin_b" not in line
    # Nor does a mirror begin to be gathered that cannot be finished.
    with pytest.raises(UserError, match=r"backbones\.convnext_b\.weights\.revision"):
        mirror.main(["--dest", str(tmp_path / "mirror"), *files])
    assert not (tmp_path / "mirror").exists()


RESNET = "model: resnet18, arguments: {}, image_size: 32, resize: squash, mean: [0, 0, 0], std: [1, 1, 1]"


@pytest.mark.parametrize(
    ("strategy", "params", "refused"),
    [
        ("lora", "{}", None),
        (
            "lora",
            "{targets: [q, v]}",
            r"strategies\.lora\.targets on backbone b: found q, v; expected the default",
        ),
        (
            "lora",
            "{sweep: {targets: [[q, k, v, fc1, fc2], [fc1]]}}",
            r"lora\.targets on backbone b: found fc1;",
        ),
        (
            "union",
            "{members: {lora: {targets: [q]}, norm: {}}}",
            r"union\.members\.lora\.targets on backbone b",
        ),
        ("union", "{members: {lora: {rank: 4}, norm: {}}}", None),
    ],
)
def test_lora_targets_are_refused_where_a_network_has_no_such_matrices(tmp_path, strategy, params, refused):
    overlay = tmp_path / "mine.yaml"
    overlay.write_text(
        f"study: {{name: mine, backbones: [glyph_vit, b], strategies: [{strategy}]}}\n"
        f"backbones: {{b: {{{RESNET}, weights: {{pretrain: glyphs}}}}}}\nstrategies: {{{strategy}: {params}}}\n"
    )
    files = [str(ROOT / "params.yaml"), str(overlay)]
    if refused is None:
        check_study.main(files)
        return
    with pytest.raises(UserError, match=refused):
        check_study.main(files)
